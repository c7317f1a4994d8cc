"""Addresses of the destinations of the log."""

from django.urls import path

from sessions_app.siem import configuration, views

urlpatterns = [
    path("siem/", configuration.siem, name="siem"),
    path("siem/<int:pk>/", views.siem_destination, name="siem_destination"),
    path("siem/<int:pk>/test/", views.siem_test, name="siem_test"),
    path("siem/<int:pk>/pause/", views.siem_switch, {"verb": "pause"}, name="siem_pause"),
    path("siem/<int:pk>/resume/", views.siem_switch, {"verb": "resume"}, name="siem_resume"),
    path("siem/<int:pk>/send-again/", views.siem_send_again, name="siem_send_again"),
    *configuration.DESTINATIONS.urls("siem"),
]
