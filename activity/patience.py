"""How long one piece of work waits for the database when somebody else holds it.

For work that may be left out, and for work that must be answered in time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

USUAL = 20.0  # seconds that SQLite waits for its lock where the settings say nothing


@contextlib.contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Let SQLite raise OperationalError in the block when another has held the lock on the database for `seconds`.

    PostgreSQL has no such lock, and rows are held for moments only.
    """
    if connection.vendor != "sqlite":
        yield
        return
    _set_busy_timeout(seconds)
    try:
        yield
    finally:
        _set_busy_timeout(_usual_of_sqlite())


@contextlib.contextmanager
def answering_within(seconds: float) -> Iterator[None]:
    """Let either database give up the wait for a lock in the block after `seconds`, if it would wait for longer.

    To be entered outside a transaction. The database's error may be raised at the beginning.
    """
    if connection.vendor == "sqlite":
        with waiting_at_most(seconds) if seconds < _usual_of_sqlite() else contextlib.nullcontext():
            yield
        return
    usual = settings.DATABASE_LOCK_SECONDS
    if usual and seconds >= usual:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {int(seconds * 1000)}")
    try:
        yield
    finally:
        # What fails here failed before: whoever sees that error closes the connection, and the short wait is over.
        with contextlib.suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")


def _usual_of_sqlite() -> float:
    return float(connection.settings_dict["OPTIONS"].get("timeout", USUAL))


def _set_busy_timeout(seconds: float) -> None:
    """Tell the driver's own connection: Django's cursor would count it as a query of the page."""
    connection.ensure_connection()
    connection.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
