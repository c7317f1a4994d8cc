"""Lists and downloads may be read from a streaming replica of PostgreSQL (REPLICA_URL); everything else is read and
written at the main database, above all what decides anything.

A list goes to the replica only while two things are true, both told by positions in the write-ahead log and not by
clocks: the replica is at most REPLICA_MAX_LAG seconds behind, and it has replayed what this browser wrote last. The
second is in a cookie: whoever forges it shows themselves an old list. Nothing here knows what a list holds.
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
LOOK_EVERY = 1.0  # seconds between two looks of a process at how far the replica is
TRY_AGAIN = 5.0  # seconds after the replica failed
UNKNOWN = "unknown"  # where the position could not be read: the main database, while the cookie lasts


class Router:
    """Main database, but what hangs on a row of the replica is read there too."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        """Where a query goes that does not say it itself."""
        instance = hints.get("instance")
        return REPLICA if instance is not None and instance._state.db == REPLICA else MAIN

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        """Never the replica."""
        return MAIN

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        """They are the same rows."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """The replica gets its tables from the main database."""
        return db != REPLICA


class Lag:
    """How old what the replica shows is, from where both were in the log and when. Pure: it is told the time."""

    def __init__(self) -> None:
        self.replayed = -1  # bytes of the log
        self._seen: deque[tuple[float, int]] = deque(maxlen=600)  # when the main database was how far
        self._fresh_at: float | None = None

    def note(self, now: float, main: int, replayed: int) -> None:
        """At `now` (seconds) the main database was at `main`, and the replica had already been at `replayed`."""
        self.replayed = replayed
        self._seen.append((now, main))
        while self._seen and self._seen[0][1] <= replayed:
            self._fresh_at = self._seen.popleft()[0]

    def seconds(self, now: float) -> float:
        """How long ago all that the replica shows was all there was; infinite while that is not known."""
        return float("inf") if self._fresh_at is None else now - self._fresh_at


class Gauge:
    """One a process: looks at both databases at most once a second, whoever asks, and says where to read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lag = Lag()
        self._next_look = 0.0

    def where(self, written: str | None) -> str:
        """The alias to read a list from, for a browser with this cookie."""
        if REPLICA not in settings.DATABASES or (written is not None and not _is_position(written)):
            return MAIN
        self._look()
        is_fresh = self._lag.seconds(time.monotonic()) <= settings.REPLICA_MAX_LAG
        has_own = written is None or self._lag.replayed >= int(written)
        return REPLICA if is_fresh and has_own else MAIN

    def failed(self, error: Exception) -> None:
        """The replica did not answer as it should: leave it alone for a while."""
        logger.warning("The replica is not used for %.0f seconds: %s", TRY_AGAIN, error)
        self._lag = Lag()
        self._next_look = time.monotonic() + TRY_AGAIN

    def _look(self) -> None:
        """Where both are, unless somebody looked a moment ago or is looking now."""
        if time.monotonic() < self._next_look or not self._lock.acquire(blocking=False):
            return
        try:
            self._next_look = time.monotonic() + LOOK_EVERY
            replayed = _position(REPLICA, "pg_last_wal_replay_lsn()")
            if replayed is None:
                raise DatabaseError("REPLICA_URL leads to a database that replays nothing, not to a replica")
            # What is flushed is what a replica can have. Read second, so that the lag is never taken for too small.
            now = time.monotonic()
            self._lag.note(now, _position(MAIN, "pg_current_wal_flush_lsn()") or 0, replayed)
        except (DatabaseError, InterfaceError) as error:
            connections[REPLICA].close()
            self.failed(error)
        finally:
            self._lock.release()


gauge = Gauge()


def where_to_read(request: HttpRequest) -> str:
    """The alias for the lists of this request (activity/listing/read_routing.py)."""
    return gauge.where(request.COOKIES.get(COOKIE))


class OwnWrites:
    """Middleware: after whatever may have written, the browser carries how far the log was, and reads no older list."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if REPLICA not in settings.DATABASES:
            raise MiddlewareNotUsed
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on; note the position after it."""
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
    """Where the log is after all that was committed; the deed is done, so that nothing fails here any more."""
    try:
        return str(_position(MAIN, "pg_current_wal_insert_lsn()"))
    except (DatabaseError, InterfaceError):
        logger.exception("How far the log is could not be read; this browser reads the main database for a while")
        return UNKNOWN


def _position(alias: str, function: str) -> int | None:
    """What a function of PostgreSQL says of the log, in bytes."""
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT ({function} - '0/0'::pg_lsn)::bigint")
        (position,) = cursor.fetchone()
    return None if position is None else int(position)


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


@register
def check_replica(**kwargs: Any) -> list[CheckMessage]:
    """A replica needs PostgreSQL on both sides."""
    engines = [str(config["ENGINE"]) for config in settings.DATABASES.values()]
    if REPLICA not in settings.DATABASES or all(engine.endswith(".postgresql") for engine in engines):
        return []
    return [
        Error(
            "REPLICA_URL needs PostgreSQL, here and in DATABASE_URL.",
            hint="Remove REPLICA_URL, or move the console to PostgreSQL (docs/deploy.md).",
            id="sessionadmin.E001",
        )
    ]
