"""Tells gateways, in any process and on any machine, that something they enforce may have changed.

Carries no content: a gateway reads from the database what is true. On PostgreSQL the word goes out with the commit of
the transaction it is said in, or not at all. On SQLite nothing is sent: the commit itself is what gateways notice
(gateway/change_listener.py).
"""

from __future__ import annotations

from django.db import connection

CHANNEL = "sessionadmin"


def changed() -> None:
    """Say it after the writes, in their transaction. Said many times in one transaction, it arrives once."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
