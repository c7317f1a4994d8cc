"""How long one piece of work waits for the database when somebody else holds it: for work that may be left out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.db import connection

USUAL = 20.0  # seconds that SQLite waits for its lock where the settings say nothing


@contextlib.contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Let SQLite raise OperationalError in the block when another has held the lock on the database for `seconds`.

    PostgreSQL has no such lock, and rows are held for moments only.
    """
    if connection.vendor != "sqlite":
        yield
        return
    usual = connection.settings_dict["OPTIONS"].get("timeout", USUAL)
    _set_busy_timeout(seconds)
    try:
        yield
    finally:
        _set_busy_timeout(usual)


def _set_busy_timeout(seconds: float) -> None:
    """Tell the driver's own connection: Django's cursor would count it as a query of the page."""
    connection.ensure_connection()
    connection.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
