"""How long PostgreSQL lets one process work and wait: limits for those that serve people, none for commands.

Nobody waits for a page for minutes, but its statement would run on, and hold a thread and a connection. A process that
hangs within a transaction holds rows that others wait for. Whoever reaches a limit gets an error that Outage knows as a
busy database. SQLite has none of this: it waits for its lock for 20 seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections


def limit_pages() -> None:
    """Limit the statements, the waits for locks and the idle transactions of this process, which answers requests."""
    _limit(settings.DATABASE_STATEMENT_SECONDS)


def limit_background() -> None:
    """Limit the waits for locks and the idle transactions of this process, whose statements may take long."""
    _limit(0)


def _limit(statement: float) -> None:
    """Set the limits, in seconds, for all connections that this process opens from now on; 0 is no limit."""
    limits = {
        "statement_timeout": statement,
        "lock_timeout": settings.DATABASE_LOCK_SECONDS,
        "idle_in_transaction_session_timeout": settings.DATABASE_IDLE_SECONDS,
    }
    given = " ".join(f"-c {name}={seconds * 1000:.0f}" for name, seconds in limits.items() if seconds)
    for connection in connections.all():
        options = connection.settings_dict["OPTIONS"]  # the same for the connections of all threads
        before = options.get("options", "")
        if connection.vendor != "postgresql" or given in before:
            continue
        options["options"] = f"{given} {before}".strip()  # the last of two wins: that of DATABASE_URL
        if not connection.in_atomic_block:
            connection.close()  # opened for system checks, without the limits


@contextlib.contextmanager
def statements_without_limit(database: str) -> Iterator[None]:
    """Let statements of the block take as long as they need: a download is as long as it is.

    The limit may be ours, or that of the role or the database; RESET brings back whichever the connection began with.
    """
    connection = connections[database]
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        # What fails here failed before: whoever sees that error closes the connection, and the limit is back.
        with contextlib.suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")
