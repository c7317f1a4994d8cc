"""Addresses of privileged sessions: the list, and the tabs of one session."""

from django.urls import path

from sessions_app.pages.sessions import session_views, views

urlpatterns = [
    path("sessions/", views.sessions, name="sessions"),
    path("sessions/<int:pk>/", session_views.session, name="session"),
    path("sessions/<int:pk>/connections/", session_views.session_connections, name="session_connections"),
    path("sessions/<int:pk>/recordings/", session_views.session_recordings, name="session_recordings"),
    path("sessions/<int:pk>/log/", session_views.session_log, name="session_log"),
]
