"""Addresses of second factors: the second step of a login, and the pages where people set them up."""

from django.urls import path

from sessions_app.factors import login_views, views

urlpatterns = [
    path("accounts/2fa/authenticate/", login_views.authenticate, name="mfa_authenticate"),
    path("accounts/2fa/cancel/", login_views.cancel, name="mfa_cancel"),
    path("accounts/2fa/", views.factors, name="factors"),
    path("accounts/2fa/app/", views.add_app, name="factor_app_add"),
]
