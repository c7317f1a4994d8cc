"""The worker's thread that makes scheduled exports, mails their links and removes what has expired."""

from __future__ import annotations

import logging
import threading

from sessions_app.repeating import RegularTask, RepeatingThread
from sessions_app.schedules.flows.clean import clean
from sessions_app.schedules.flows.mail import send_waiting
from sessions_app.schedules.flows.make import make_due

CLEAN_EVERY = 600.0  # seconds

logger = logging.getLogger(__name__)


class Exporter(RepeatingThread):
    """The thread of scheduled exports. Any number of workers may have one; each export is made and mailed once."""

    name = "exporter"
    every = 10.0
    problem = "Scheduled exports could not be looked for"

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(stop)
        self._clean = RegularTask(CLEAN_EVERY, clean)

    def look(self) -> None:
        """Make what is due, mail the links, and remove files now and then."""
        make_due()
        send_waiting()
        try:
            self._clean.look()
        except OSError:
            logger.exception("Expired exports could not be removed; trying again")
