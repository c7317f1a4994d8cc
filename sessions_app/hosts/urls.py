"""Addresses of SSH keys, service keys and certificates, and of the commands to log in over SSH."""

from django.urls import path

from sessions_app.hosts import key_views, ssh_login_views
from sessions_app.hosts.service_key_configuration import SERVICE_KEYS, service_keys

urlpatterns = [
    path("service-keys/", service_keys, name="service_keys"),
    *SERVICE_KEYS.urls("service-keys"),
    path("accounts/keys/add/", key_views.ssh_key_add, name="ssh_key_add"),
    path("accounts/keys/<int:pk>/remove/", key_views.ssh_key_remove, name="ssh_key_remove"),
    path("sessions/<int:pk>/certificate/", key_views.session_certificate, name="session_certificate"),
    path("sessions/ssh/", ssh_login_views.ssh_login, name="ssh_login"),
]
