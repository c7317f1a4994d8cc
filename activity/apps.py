"""The app's configuration."""

import sys
from typing import Any

from django.apps import AppConfig
from django.db import DatabaseError
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class ActivityConfig(AppConfig):
    """The activity log and the table machinery."""

    name = "activity"
    verbose_name = "Activity log"

    def ready(self) -> None:
        """Prepare the connections and the index of words.

        Connections to SQLite learn how to fold text, to compare addresses and to search details; the index of words is
        made after the tables; renamed accounts keep their old names.
        """
        # Models are not loaded before ready().
        from activity import details_search, folding, names, networks  # noqa: PLC0415 - once Django is set up

        for module in (folding, networks, details_search):
            connection_created.connect(module.register)
        names.follow()
        post_migrate.connect(make_index, sender=self)
        post_migrate.connect(repair_log_protection, sender=self)


def make_index(using: str, **kwargs: Any) -> None:
    """Make the index that a search of the log needs. Each `migrate` repairs it."""
    from activity import text_index  # noqa: PLC0415 - models are not loaded at import
    from activity.models import LOG_WORDS  # noqa: PLC0415 - once Django is set up

    text_index.ensure(LOG_WORDS, using)


def repair_log_protection(using: str, **kwargs: Any) -> None:
    """Put back what keeps the log append-only; each migrate looks, and says what it found."""
    from activity import integrity  # noqa: PLC0415 - models are not loaded at import

    try:
        found = integrity.repair(using)
    except DatabaseError as problem:
        said = " ".join(str(problem).split())[:300]
        sys.stderr.write(f"ERROR: Activity log: it could not be checked, and nothing was put back: {said}\n")
        return
    for one in found:
        end = "It was put back, and the log says so." if one.is_repairable else one.remedy
        sys.stderr.write(f"ERROR: Activity log: {one.text} {end}\n")
    if found:
        make_index(using)  # which a table under another name, or a view, may have kept from being made
