"""Says in one sentence why a command did not start, where the reason is an ordinary mistake and no traceback helps."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import OperationalError


def refusal(error: Exception) -> str:
    """Return the sentence for the person at the terminal; empty for an error that is no ordinary refusal.

    Ordinary are a wrong setting, what a command refuses by itself, and a PostgreSQL that lets nobody in. An error that
    comes from a statement has a code (SQLSTATE); one of connecting has none.
    """
    if isinstance(error, CommandError | ImproperlyConfigured):
        return str(error)
    if isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", "") is None:
        said = " ".join(str(error).split()).rstrip("?.")
        return f"The database does not answer: {said}. Nothing was started. Start it, or correct DATABASE_URL."
    return ""
