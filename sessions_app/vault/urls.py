"""Addresses to show and to copy secrets of a vault."""

from django.urls import path

from sessions_app.vault import views

urlpatterns = [
    path("sessions/<int:pk>/secrets/<int:secret_pk>/show/", views.secret_show, name="secret_show"),
    path("sessions/<int:pk>/secrets/<int:secret_pk>/copied/", views.secret_copied, name="secret_copied"),
]
