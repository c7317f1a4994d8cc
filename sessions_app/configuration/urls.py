"""The address of what all forms of the configuration share."""

from django.urls import path

from sessions_app.configuration.echo_views import duration_echo

urlpatterns = [path("durations/", duration_echo, name="duration_echo")]
