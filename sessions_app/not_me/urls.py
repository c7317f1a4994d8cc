"""Addresses of the link in a mail, and of the button on a login's page."""

from django.urls import path

from sessions_app.not_me import views

urlpatterns = [
    path("accounts/not-me/<str:signed>/", views.not_me, name="not_me"),
    path("accounts/not-me/<str:signed>/password/", views.not_me_password, name="not_me_password"),
    path("logins/<int:pk>/not-me/", views.login_not_me, name="login_not_me"),
    path("logins/<int:pk>/seen/", views.new_device_seen, name="new_device_seen"),
]
