"""The app's configuration."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ActivityConfig(AppConfig):
    """The activity log and the table machinery."""

    name = "activity"
    verbose_name = "Activity log"

    def ready(self) -> None:
        """The index of words is made after the tables."""
        post_migrate.connect(make_index, sender=self)


def make_index(using: str, **kwargs: Any) -> None:
    """What a search of the log needs; each migrate mends it."""
    from activity import words  # noqa: PLC0415 - models are not loaded at import
    from activity.models import LOG_WORDS  # noqa: PLC0415

    words.ensure(LOG_WORDS, using)
