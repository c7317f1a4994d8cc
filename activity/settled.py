"""Says up to which id the log is settled: no entry with a lower id can appear any more.

PostgreSQL gives an entry its id before the entry is committed, so a slow transaction may bring a low id late. Whoever
reads the log in the order of its ids, and does not look back, reads settled entries only.
"""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Max
from django.utils import timezone

from activity.models import LogEntry

# An INSERT takes this lock before it takes an id, and keeps it until its transaction ends. A prepared transaction has
# no backend, and shows as -1/ and its number. What the caller itself has written, it sees. Another database of the
# server has locks of its own, on tables that may have the same number.
HELD_BY_OTHERS = """
    locktype = 'relation' AND relation = to_regclass(%s) AND mode = 'RowExclusiveLock' AND granted
    AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND held.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
"""
WRITERS = f"SELECT virtualtransaction FROM pg_catalog.pg_locks AS held WHERE {HELD_BY_OTHERS}"  # noqa: S608 - a constant
PREPARED = "-1/"
OLDEST_WRITER = f"""
    SELECT activity.pid, activity.xact_start FROM pg_catalog.pg_stat_activity AS activity
    JOIN pg_catalog.pg_locks AS held ON held.pid = activity.pid
    WHERE {HELD_BY_OTHERS}
    ORDER BY activity.xact_start NULLS LAST LIMIT 1
"""  # noqa: S608 - a constant


@dataclass(slots=True)
class _Candidate:
    """An id that is settled once none of the transactions that wrote when it was read is left."""

    newest: int
    writers: set[str]
    since: dt.datetime


class SettledEntries:
    """Knows the newest settled id, for one process. Any number of threads may ask.

    It remembers between two calls of newest() which transactions it waits for, so keep one object and ask again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settled = 0
        self._candidate: _Candidate | None = None

    def newest(self) -> int:
        """Return the newest id below which nothing can appear any more; 0 for an empty log.

        To be called outside of a transaction: the call has to see what others commit. On SQLite, which has one writer,
        everything that is committed is settled. On PostgreSQL:

        1. Read the newest id, and then which transactions may be writing to the log.

        2. The id is settled once none of them is left. Transactions that begin later get higher ids. A transaction that
           is prepared for a commit in two phases changes its name, so all of those count.
        """
        if connection.vendor != "postgresql":
            return _newest()
        with self._lock:
            if self._candidate is not None:
                writers = _writers()
                self._candidate.writers = (self._candidate.writers & writers) | _prepared(writers)
                if self._candidate.writers:
                    return self._settled
                self._settled = self._candidate.newest
            newest = _newest()
            candidate = _Candidate(newest, _writers(), timezone.now())
            if candidate.writers:
                self._candidate = candidate
            else:
                self._candidate, self._settled = None, newest
            return self._settled

    @property
    def waiting_since(self) -> dt.datetime | None:
        """Return since when an open transaction holds the log back; None while nothing does.

        While the console is busy this is often some moment of the last second.
        """
        with self._lock:
            return self._candidate.since if self._candidate is not None else None

    def waiting_for(self) -> str:
        """Return which transaction holds the log back, for an administrator; an empty string while nothing does."""
        if self.waiting_since is None:
            return ""
        with connection.cursor() as cursor:
            cursor.execute(OLDEST_WRITER, [LogEntry._meta.db_table])
            found = cursor.fetchone()
        if found is None:
            return "a prepared transaction"
        pid, began = found
        return f"the transaction of process {pid} of PostgreSQL" + (
            f", open since {began:%Y-%m-%d %H:%M:%S} UTC" if began else ""
        )


def _newest() -> int:
    return LogEntry.objects.using(DEFAULT_DB_ALIAS).aggregate(newest=Max("pk"))["newest"] or 0  # never from a replica


def _writers() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(WRITERS, [LogEntry._meta.db_table])
        return {name for (name,) in cursor.fetchall()}


def _prepared(writers: set[str]) -> set[str]:
    return {name for name in writers if name.startswith(PREPARED)}
