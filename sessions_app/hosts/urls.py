"""Addresses of SSH keys and certificates, and of the commands to log in over SSH."""

from django.urls import path

from sessions_app.hosts import key_views, ssh_login_views

urlpatterns = [
    path("accounts/keys/add/", key_views.ssh_key_add, name="ssh_key_add"),
    path("accounts/keys/<int:pk>/remove/", key_views.ssh_key_remove, name="ssh_key_remove"),
    path("sessions/<int:pk>/certificate/", key_views.session_certificate, name="session_certificate"),
    path("sessions/ssh/", ssh_login_views.ssh_login, name="ssh_login"),
]
