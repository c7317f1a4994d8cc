"""Addresses of the page of one login session, and to log many people out at once."""

from django.urls import path

from sessions_app.pages.logins import everywhere, views

urlpatterns = [
    path("logins/<int:pk>/", views.login_detail, name="login_detail"),
    path("logins/logout-everybody/", everywhere.logins_logout_everybody, name="logins_logout_everybody"),
    path("users/<int:pk>/logout/", everywhere.user_logout, name="user_logout"),
    path("groups/<int:pk>/logout/", everywhere.group_logout, name="group_logout"),
]
