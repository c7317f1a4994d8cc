"""Addresses of the console. Each package of sessions_app names its own in its `urls` module."""

from django.urls import include, path

urlpatterns = [
    path("", include("sessions_app.help.urls")),
    path("", include("sessions_app.pages.urls")),
    path("", include("sessions_app.pages.sessions.urls")),
    path("", include("sessions_app.pages.catalogue.urls")),
    path("", include("sessions_app.pages.people.urls")),
    path("", include("sessions_app.not_me.urls")),
    path("", include("sessions_app.pages.logins.urls")),
    path("", include("sessions_app.privileged.urls")),
    path("", include("sessions_app.gateway.urls")),
    path("", include("sessions_app.gateway.recordings.urls")),
    path("", include("sessions_app.reports.urls")),
    path("", include("sessions_app.hosts.urls")),
    path("", include("sessions_app.reviews.urls")),
    path("", include("sessions_app.evidence.urls")),
    path("", include("sessions_app.scim.urls")),
    path("", include("sessions_app.schedules.urls")),
    path("", include("sessions_app.siem.urls")),
    path("", include("sessions_app.vault.urls")),
    path("", include("sessions_app.factors.urls")),
    path("", include("sessions_app.logins.urls")),
    path("", include("sessions_app.sso.urls")),
    path("", include("sessions_app.configuration.urls")),
]
