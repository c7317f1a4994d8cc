"""Another program that holds the database, so that a test sees what people see meanwhile."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from django.db import connection, connections


@contextlib.contextmanager
def write_lock_held_by_another(seconds_of_patience: float = 0.2) -> Iterator[None]:
    """Hold SQLite's write lock; connections of this thread wait for it only so long."""
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {int(seconds_of_patience * 1000)}")
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()
        connections["default"].close()  # and with it the short patience
