"""The worker's thread that exports and deletes entries of the log that are too old: a large log takes minutes."""

from __future__ import annotations

import logging
import threading

from sessions_app.evidence import retention
from sessions_app.repeating import RepeatingThread

logger = logging.getLogger(__name__)


class RetentionKeeper(RepeatingThread):
    """The thread of LOG_RETENTION_DAYS. Any number of workers may have one; each day one of them does the work."""

    name = "retention"
    every = 60.0
    problem = "Old entries of the log could not be deleted"

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(stop)
        if retention.is_too_short():
            logger.warning("%s %s", retention.too_short_words(), retention.TOO_SHORT_REMEDY)

    def look(self) -> None:
        """Delete what is due."""
        retention.delete_if_due(lambda: not self._stop.is_set())
