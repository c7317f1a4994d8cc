"""Addresses of the overview, approvals, the health page, one's own account, and the locks of accounts and resources."""

from django.urls import path

from sessions_app.pages import account, account_control, devices, health, home, jump, settings, styleguide, try_it
from sessions_app.pages.approvals import views as approvals
from sessions_app.pages.overview import views as overview
from sessions_app.pages.sign_in.views import SIGN_IN

urlpatterns = [
    path("", overview.home, name="home"),
    path("overview/<slug:name>/", overview.overview_part, name="overview_part"),
    path("alive/", home.alive, name="alive"),
    path("approvals/", approvals.approvals, name="approvals"),
    path("jump/", jump.jump, name="jump"),
    path("keys/", jump.keys, name="keys"),
    path("styleguide/", styleguide.styleguide, name="styleguide"),
    path("health/", health.health, name="health"),
    path("health/hosts/", health.health_hosts, name="health_hosts"),
    path("try/", try_it.try_it, name="try_it"),
    path("settings/", settings.personal_settings, name="settings"),
    *SIGN_IN.urls("sign-in"),
    path("accounts/me/", account.account, name="account"),
    path("accounts/devices/<int:pk>/name/", devices.device_name, name="device_name"),
    path("accounts/devices/<int:pk>/forget/", devices.device_forget, name="device_forget"),
    path("resources/<int:pk>/lock/", account_control.resource_lock, name="resource_lock"),
    path("resources/<int:pk>/unlock/", account_control.resource_unlock, name="resource_unlock"),
    path("users/<int:pk>/lock/", account_control.account_lock, name="account_lock"),
    path("users/<int:pk>/unlock/", account_control.account_unlock, name="account_unlock"),
    path("users/<int:pk>/cut/", account_control.account_cut, name="account_cut"),
]
