"""The worker's thread for recordings: it closes those that ended, and removes those whose retention is over.

It is a thread of its own because a file of many megabytes takes seconds, and sessions must not wait for it. Any number
of workers may do this at once.
"""

from __future__ import annotations

import logging
import threading
import time

from django.core.files.storage import InvalidStorageError
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from sessions_app.gateway.recordings import assemble, retention
from sessions_app.repeating import RegularTask, RepeatingThread

logger = logging.getLogger(__name__)

RETENTION_EVERY = 300.0  # seconds between looks for recordings to remove
RETRY_SECONDS = 60.0  # seconds until a recording that could not be written is tried again


class RecordingMaintenance(RepeatingThread):
    """The thread that closes and removes recordings."""

    name = "recordings"
    every = 1.0
    problem = "Recordings: the database or the setting of their storage is at fault"
    failures = (DatabaseError, InterfaceError, InvalidStorageError)

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(stop)
        self._retention = RegularTask(RETENTION_EVERY, self.remove_those_due)
        self._not_before: dict[int, float] = {}  # recordings that failed, and when they are tried again

    def look(self) -> None:
        """Close the recordings that are over, and remove those that nobody keeps any longer."""
        self.close_those_over()
        self._retention.look()

    def close_those_over(self) -> int:
        """Make the files of recordings that ended. Return how many.

        One that fails is tried again after a pause.
        """
        now, done = time.monotonic(), 0
        for pk in assemble.to_close(timezone.now()):
            if self._stop.is_set():
                break
            if self._not_before.get(pk, 0.0) > now:
                continue
            try:
                done += assemble.close(pk)
                self._not_before.pop(pk, None)
            except self.failures:
                raise
            except Exception:
                # A storage may raise anything. Nothing is lost: the pieces stay in the database.
                logger.exception("Recording %s could not be written to its storage; trying again", pk)
                self._not_before[pk] = now + RETRY_SECONDS
        return done

    def remove_those_due(self) -> int:
        """Remove recordings whose profile keeps them no longer. Return how many."""
        done = 0
        for recording in retention.due(timezone.now()):
            if self._stop.is_set():
                break
            try:
                done += retention.remove(recording)
            except self.failures:
                raise
            except Exception:
                logger.exception("Recording %s could not be removed; trying again", recording.pk)
        return done
