"""Addresses of single sign-on."""

from django.urls import path

from sessions_app.sso import account_views, confirm, logout_views, saml_views, views

urlpatterns = [
    path("accounts/logout/", logout_views.SsoLogoutView.as_view(), name="logout"),
    path("accounts/sso/", account_views.sso_account, name="sso_account"),
    path("accounts/sso/<slug:slug>/login/", views.sso_login, name="sso_login"),
    path("accounts/sso/<slug:slug>/callback/", views.sso_callback, name="sso_callback"),
    path("accounts/sso/<slug:slug>/back-channel-logout/", views.sso_back_channel_logout, name="sso_back_channel"),
    path("accounts/sso/<slug:slug>/acs/", saml_views.sso_saml_acs, name="sso_saml_acs"),
    path("accounts/sso/<slug:slug>/acs/arrival/", saml_views.sso_saml_arrival, name="sso_saml_arrival"),
    path("accounts/sso/<slug:slug>/metadata/", saml_views.sso_saml_metadata, name="sso_saml_metadata"),
    path("accounts/sso/<slug:slug>/slo/", saml_views.sso_saml_logout, name="sso_saml_logout"),
    path("accounts/sso/<slug:slug>/confirm/", confirm.sso_confirm, name="sso_confirm"),
    path("accounts/sso/<slug:slug>/link/", account_views.sso_link, name="sso_link"),
    path("accounts/sso/links/<int:pk>/remove/", account_views.sso_unlink, name="sso_unlink"),
]
