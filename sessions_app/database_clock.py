"""How far the clock of this process is from the database's, by which processes on several machines are compared."""

from __future__ import annotations

import time

from django.db import connection


def ahead_of_database() -> float | None:
    """Return by how many seconds this process's clock is ahead of the database's; negative if it is behind.

    It is the least difference that is certain, so that a slow answer makes no clock wrong. None for SQLite, which has
    the clock of this machine.
    """
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        asked = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        there = float(cursor.fetchone()[0])
        answered = time.time()
    return min(answered - there, 0.0) or max(asked - there, 0.0)
