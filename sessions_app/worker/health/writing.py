"""Check that the console can write to its database, by writing the time into one row.

A database that answers may still be read-only, or lie on a full disk. Anybody may ask for /healthz, so a process writes
at most every five seconds, however often it is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from activity.outage import Outage
from activity.patience import waiting_at_most
from sessions_app.worker.health.files import directories, free_bytes
from sessions_app.worker.health.findings import Finding, error, ok
from sessions_app.worker.models import HealthMark

TRY_EVERY_SECONDS = 5.0
WAIT_SECONDS = 3.0  # seconds to wait for a busy database
BUSY_FOR = 30.0  # seconds without a write after which a busy database counts as an outage
NO_ROOM = 1024 * 1024  # bytes


class Probe:
    """Remembers, for one process, when the last write worked and what has kept it from working since."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = self._wrote_at = float("-inf")
        self._found: Outage | None = None

    def look(self) -> Outage | None:
        """Return what keeps the console from writing, or None. Raises database errors that are no outage."""
        with self._lock:
            if self._clock() - self._looked_at >= TRY_EVERY_SECONDS:
                self._found = self._write()
                self._looked_at = self._clock()
            if self._found is Outage.BUSY and self._clock() - self._wrote_at < BUSY_FOR:
                return None
            return self._found

    def _write(self) -> Outage | None:
        try:
            write()
        except (DatabaseError, InterfaceError) as problem:
            outage = Outage.of(problem)
            if outage is None:
                raise
            return outage
        self._wrote_at = self._clock()
        return Outage.FULL if min(map(free_bytes, directories())) < NO_ROOM else None


probe = Probe()


def write() -> None:
    """Write the time into the row. Raises the database's error."""
    with waiting_at_most(WAIT_SECONDS):
        HealthMark.objects.bulk_create(
            [HealthMark(pk=1, written_at=timezone.now())],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["written_at"],
        )


def writing() -> Finding:
    """Check that a write works now."""
    try:
        write()
    except (DatabaseError, InterfaceError) as problem:
        outage = Outage.of(problem)
        result = f"{outage.heading}: {problem}." if outage else f"Writing to the database failed: {problem}."
        remedy = "Make room on its disk, or make it writable again: nobody can log in, lock or end anything until then."
        return error("Writing", result, remedy)
    return ok("Writing", "The console can write to its database.")
