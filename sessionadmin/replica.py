"""Read lists and downloads from a streaming replica of PostgreSQL (REPLICA_URL).

Everything else is read and written at the main database, above all what decides anything. A list goes to the replica
only while two things are true, both told by positions in the write-ahead log and not by clocks: the replica is at most
REPLICA_MAX_LAG seconds behind, and it has replayed what this browser wrote last. The second is in a cookie; somebody
who forges it gets to see an old list. Nothing here knows what a list holds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import MiddlewareNotUsed
from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Model
from django.http import HttpRequest
from django.http.response import HttpResponseBase

logger = logging.getLogger(__name__)

MAIN, REPLICA = "default", "replica"
COOKIE = "written_at"
LOOK_EVERY_SECONDS = 1.0  # seconds between two looks of a process at how far the replica is
TRY_AGAIN = 5.0  # seconds after the replica failed
UNKNOWN = "unknown"  # the position could not be read: the browser reads the main database while the cookie lasts


class Router:
    """The database router: everything goes to the main database, except what belongs to a row of the replica."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        """Return the database of a query that names none."""
        instance = hints.get("instance")
        return REPLICA if instance is not None and instance._state.db == REPLICA else MAIN

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        return MAIN

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        """Allow relations between the two databases, because they hold the same rows."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Migrate the main database only, from which the replica gets its tables."""
        return db != REPLICA


class Lag:
    """Computes how old the replica's data is, from positions in the log and when they were seen. Pure."""

    def __init__(self) -> None:
        self.replayed = -1  # bytes of the log
        self._seen: deque[tuple[float, int]] = deque(maxlen=600)  # times and positions of the main database
        self._fresh_at: float | None = None

    def note(self, now: float, main: int, replayed: int) -> None:
        """Note that at `now` (seconds) the main database was at `main`, and the replica at `replayed` or later."""
        self.replayed = replayed
        self._seen.append((now, main))
        while self._seen and self._seen[0][1] <= replayed:
            self._fresh_at = self._seen.popleft()[0]

    def seconds(self, now: float) -> float:
        """Return how many seconds ago the replica's data was current; infinite while that is not known."""
        return float("inf") if self._fresh_at is None else now - self._fresh_at


class ReplicaGauge:
    """Decides where to read, for one process, by asking both databases at most once a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lag = Lag()
        self._next_look = 0.0

    def where(self, written: str | None) -> str:
        """Return the alias to read a list from, for a browser with this cookie."""
        if REPLICA not in settings.DATABASES or (written is not None and not _is_position(written)):
            return MAIN
        self._look()
        is_fresh = self._lag.seconds(time.monotonic()) <= settings.REPLICA_MAX_LAG
        has_own = written is None or self._lag.replayed >= int(written)
        return REPLICA if is_fresh and has_own else MAIN

    def failed(self, error: Exception) -> None:
        """Use the replica no more for a while, because it failed."""
        logger.warning("The replica is not used for %.0f seconds: %s", TRY_AGAIN, error)
        self._lag = Lag()
        self._next_look = time.monotonic() + TRY_AGAIN

    def _look(self) -> None:
        """Ask both databases for their positions, unless that was done a moment ago or is being done."""
        if time.monotonic() < self._next_look or not self._lock.acquire(blocking=False):
            return
        try:
            self._next_look = time.monotonic() + LOOK_EVERY_SECONDS
            replayed = _position(REPLICA, "pg_last_wal_replay_lsn()")
            if replayed is None:
                raise DatabaseError("REPLICA_URL names a database that is not a replica: it replays nothing")
            # A replica can only have what is flushed. Read second, so that the lag is never computed as too small.
            now = time.monotonic()
            self._lag.note(now, _position(MAIN, "pg_current_wal_flush_lsn()") or 0, replayed)
        except (DatabaseError, InterfaceError) as error:
            connections[REPLICA].close()
            self.failed(error)
        finally:
            self._lock.release()


gauge = ReplicaGauge()


def where_to_read(request: HttpRequest) -> str:
    """Return the alias for the lists of this request (activity/listing/read_routing.py)."""
    return gauge.where(request.COOKIES.get(COOKIE))


class OwnWrites:
    """Middleware that gives the browser the position of the log after each request that may have written.

    So the browser reads no list that is older than its own changes.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if REPLICA not in settings.DATABASES:
            raise MiddlewareNotUsed
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on, and set the cookie when it may have written."""
        response = self._get_response(request)
        if request.method not in ("GET", "HEAD", "OPTIONS", "TRACE"):
            response.set_cookie(
                COOKIE,
                _written(),
                max_age=settings.REPLICA_MAX_LAG + 60,  # a replica that is further behind is not read anyway
                httponly=True,
                secure=settings.SESSION_COOKIE_SECURE,
                samesite="Lax",
            )
        return response


def _written() -> str:
    """Return the position of the log after everything that was committed.

    The request has done its work, so an error here is logged and not raised.
    """
    try:
        return str(_position(MAIN, "pg_current_wal_insert_lsn()"))
    except (DatabaseError, InterfaceError):
        logger.exception("How far the log is could not be read; this browser reads the main database for a while")
        return UNKNOWN


def _position(alias: str, function: str) -> int | None:
    """Return the result of a PostgreSQL function of the log, in bytes."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT ({function} - '0/0'::pg_lsn)::bigint")
        (position,) = cursor.fetchone()
    return None if position is None else int(position)


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


@register
def check_replica(**kwargs: Any) -> list[CheckMessage]:
    """Check that both databases are PostgreSQL, which a replica needs."""
    engines = [str(config["ENGINE"]) for config in settings.DATABASES.values()]
    if REPLICA not in settings.DATABASES or all(engine.endswith(".postgresql") for engine in engines):
        return []
    return [
        Error(
            "REPLICA_URL needs PostgreSQL, here and in DATABASE_URL.",
            hint="Remove REPLICA_URL, or move the console to PostgreSQL (docs/deploy.md#from-sqlite-to-postgresql).",
            id="sessionadmin.E001",
        )
    ]
