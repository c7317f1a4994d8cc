"""Addresses to log in and out, to change a password, and of login sessions."""

from django.urls import path

from sessions_app.logins import account_views, views

urlpatterns = [
    path("accounts/login/", account_views.ConsoleLoginView.as_view(), name="login"),
    path("accounts/login/", account_views.ConsoleLoginView.as_view(), name="account_login"),  # as allauth calls it
    path("accounts/password/", account_views.ConsolePasswordChangeView.as_view(), name="password_change"),
    path("logins/", views.logins, name="logins"),
    path("logins/map/", views.logins_map, name="logins_map"),
    path("logins/logout/", views.logins_logout, name="logins_logout"),
    path("logins/logout-others/", views.logins_logout_others, name="logins_logout_others"),
]
