"""Addresses of second factors: the second step of a login, the pages where people set them up, and confirming."""

from django.urls import path

from sessions_app.factors import login_views, step_up_views, views

urlpatterns = [
    path("accounts/2fa/authenticate/", login_views.authenticate, name="mfa_authenticate"),
    path("accounts/2fa/cancel/", login_views.cancel, name="mfa_cancel"),
    path("accounts/2fa/", views.factors, name="factors"),
    path("accounts/2fa/app/", views.add_app, name="factor_app_add"),
    path("accounts/confirm/", step_up_views.confirm, name="confirm"),
]
