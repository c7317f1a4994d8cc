"""Addresses to request sessions and to act on them."""

from django.urls import path

from sessions_app.privileged import action_views, request_views, suggestions

urlpatterns = [
    path("sessions/request/", request_views.session_request, name="session_request"),
    path("sessions/names/<slug:kind>/", suggestions.session_names, name="session_names"),
    path("sessions/do/<slug:verb>/", action_views.session_action, name="session_action"),
]
