"""The app's configuration."""

from django.apps import AppConfig


class ActivityConfig(AppConfig):
    """The activity log and the table machinery."""

    name = "activity"
    verbose_name = "Activity log"
