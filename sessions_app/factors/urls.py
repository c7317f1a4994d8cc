"""Addresses of second factors: the second step of a login, the pages where people set them up, and confirming."""

from django.urls import path

from sessions_app.factors import login_views, step_up_views, views

urlpatterns = [
    path("accounts/2fa/authenticate/", login_views.authenticate, name="mfa_authenticate"),
    path("accounts/2fa/authenticate/key/", login_views.options, name="mfa_options"),
    path("accounts/2fa/passkey/", login_views.passkey, name="passkey_login"),
    path("accounts/2fa/passkey/options/", login_views.passkey_options, name="passkey_options"),
    path("accounts/2fa/cancel/", login_views.cancel, name="mfa_cancel"),
    path("accounts/2fa/", views.factors, name="factors"),
    path("accounts/2fa/options/", views.options, name="factor_options"),
    path("accounts/2fa/app/", views.add_app, name="factor_app_add"),
    path("accounts/confirm/", step_up_views.confirm, name="confirm"),
    path("accounts/2fa/keys/<str:kind>/", views.add_key, name="factor_key_add"),
    path("accounts/2fa/keys/<str:kind>/options/", views.key_options, name="factor_key_options"),
    path("accounts/2fa/codes/", views.recovery_codes, name="recovery_codes"),
    path("accounts/2fa/<int:pk>/", views.rename, name="factor_rename"),
    path("accounts/2fa/<int:pk>/remove/", views.remove, name="factor_remove"),
]
