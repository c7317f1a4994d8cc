"""Django's `check`, which also tests that the activity log is protected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.management.commands.check import Command as DjangoCheck
from django.db import DatabaseError, InterfaceError, connections

from activity import integrity

TAG = "activity_log"
_wanted: list[str] = []


class Command(DjangoCheck):
    """`sessionadmin check`, with the options of Django's."""

    def handle(self, *app_labels: Any, **options: Any) -> None:
        """Ask the database that is meant: the default one unless others are named."""
        _wanted[:] = options["databases"] or ["default"]
        try:
            super().handle(*app_labels, **options)
        finally:
            _wanted.clear()


# Not tagged as a check of the database: such ones run before each migrate too, and would keep it from repairing.
@register(TAG)
def check_log_integrity(**kwargs: Any) -> list[CheckMessage]:
    """Look whether the log is append-only, when somebody runs `check`; other commands do not ask the database."""
    return [message for database in _wanted for message in _look(database)]


def _look(database: str) -> list[CheckMessage]:
    connection = connections[database]
    if connection.vendor == "sqlite" and not Path(str(connection.settings_dict["NAME"])).exists():
        return []  # looking would make it
    try:
        found = integrity.find_problems(database)
    except (DatabaseError, InterfaceError) as problem:  # does not answer; what cannot be read is among what is found
        text = f"The activity log could not be checked: {' '.join(str(problem).split())[:200]}"
        return [CheckWarning(text, hint="Start the database, or correct DATABASE_URL.", id="activity.W001")]
    return [
        Error(f"The activity log is not append-only. {one.text}", hint=one.remedy, id="activity.E001") for one in found
    ]
