"""Notifies the gateways, in any process and on any machine, that something they enforce may have changed.

The notification has no content: a gateway reads the database after it. On PostgreSQL it is sent when the transaction
commits, and not at all after a rollback. On SQLite nothing is sent: gateways notice the commit itself
(gateway/change_listener.py).
"""

from __future__ import annotations

from django.db import connection

CHANNEL = "sessionadmin"


def notify_gateways() -> None:
    """Notify the gateways when this transaction commits. Call it after the writes, in the same transaction.

    Many calls in one transaction send one notification.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
