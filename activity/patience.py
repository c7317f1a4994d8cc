"""How long one piece of work waits for the database when somebody else holds it: for work that may be left out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.db import connection, transaction

USUAL = 20.0  # seconds that SQLite waits for its lock where the settings say nothing


@contextlib.contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Run the block in a transaction; on SQLite raise OperationalError when another has held the lock for `seconds`.

    PostgreSQL has no lock on the whole database, and rows are held for moments only.
    """
    with _sqlite_waits(seconds) if connection.vendor == "sqlite" else contextlib.nullcontext(), transaction.atomic():
        yield


@contextlib.contextmanager
def _sqlite_waits(seconds: float) -> Iterator[None]:
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
