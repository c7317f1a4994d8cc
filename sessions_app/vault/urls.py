"""Addresses to manage the secrets of vaults, and to show and copy them during a session."""

from django.urls import path

from sessions_app.vault import views
from sessions_app.vault.configuration import SECRETS, secrets

urlpatterns = [
    path("secrets/", secrets, name="secrets"),
    *SECRETS.urls("secrets"),
    path("sessions/<int:pk>/secrets/<int:secret_pk>/show/", views.secret_show, name="secret_show"),
    path("sessions/<int:pk>/secrets/<int:secret_pk>/copied/", views.secret_copied, name="secret_copied"),
]
