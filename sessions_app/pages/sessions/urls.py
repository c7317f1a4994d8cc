"""Addresses of privileged sessions: the list, one session and its log."""

from django.urls import path

from sessions_app.pages.sessions import views

urlpatterns = [
    path("sessions/", views.sessions, name="sessions"),
    path("sessions/<int:pk>/", views.session, name="session"),
    path("sessions/<int:pk>/log/", views.session_log, name="session_log"),
]
