"""The thread of `sessionadmin serve` that notes how the clock of its web processes stands. No request waits for it."""

from __future__ import annotations

import logging
import threading

from django.db import DatabaseError, InterfaceError

from sessions_app.repeating import RepeatingThread
from sessions_app.worker.health.heartbeat import BEAT_EVERY
from sessions_app.worker.lease import new_owner
from sessions_app.worker.models import WebHeartbeat

logger = logging.getLogger(__name__)


class WebClock(RepeatingThread):
    """Notes the clock of this machine, which is that of the web processes, as workers and gateways note theirs."""

    name = "web-clock"
    every = BEAT_EVERY
    problem = "The clock of the web processes could not be noted"

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(stop)
        self._owner = new_owner()

    def look(self) -> None:
        """Store the time of this machine's clock beside that of the database."""
        WebHeartbeat.beat(self._owner)

    def finish(self) -> None:
        """Wait for what is under way, and note that there are no web processes any more."""
        super().finish()
        try:
            WebHeartbeat.stopped(self._owner)
        except (DatabaseError, InterfaceError):
            logger.warning("The end of the web processes could not be noted; within a minute they count as gone")
