"""The worker's thread that seals the activity log (activity/seal/), and counts what is sealed (activity/rollups/).

Any number of workers may do it at once: one seals, and the others take over when it is gone.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError

from activity import log
from activity.rollups import counting as rollups
from activity.seal import behind, tree
from activity.seal.models import SealState
from activity.seal.sealing import Sealing
from activity.verbs import Verb
from sessions_app.evidence import keys
from sessions_app.repeating import RegularTask, RepeatingThread

BEHIND_EVERY = 60.0  # seconds between looks for entries behind the seal
ROLL_EVERY, ROLL_FOR = 5.0, 2.0  # seconds between counts of sealed entries, and how long sealing waits for one
KEYS_EVERY = 600.0  # seconds between looks for keys whose overlap is over
BETWEEN_BATCHES = 0.02  # seconds in which a backlog leaves the processor to what people wait for

logger = logging.getLogger(__name__)


class Sealer(RepeatingThread):
    """The thread that seals and counts the log, makes its checkpoints, and looks for entries behind the seal."""

    name = "sealer"
    every = 1.0
    problem = "The log could not be sealed"

    def __init__(self, stop: threading.Event, owner: str) -> None:
        super().__init__(stop)
        self._owner = owner
        self._sealing = Sealing(owner)
        self._behind = RegularTask(BEHIND_EVERY, behind.look)
        self._keys = RegularTask(KEYS_EVERY, keys.retire_those_due)
        self._rollups = RegularTask(ROLL_EVERY, self._roll)
        self._has_started = False
        self._problem: str | None = None  # as it is in the database; none: not written yet

    def look(self) -> None:
        """Seal what can be sealed now."""
        if not self._has_started:
            log.record(Verb.SEALING_STARTED, f"{self._owner} seals the log", details={"worker": self._owner})
            self._has_started = True
        try:
            self._sealing.seal(self._goes_on)
        except tree.TreeDamaged as error:
            logger.exception("The log cannot be sealed any further")
            self._note_problem(str(error)[:300])
        else:
            self._note_problem("")
        self._keys.look()
        self._behind.look()
        self._rollups.look()

    def finish(self) -> None:
        """Wait for what is under way, and say in the log that it is over."""
        super().finish()
        if not self._has_started:
            return
        try:
            log.record(Verb.SEALING_STOPPED, f"{self._owner} seals the log no more", details={"worker": self._owner})
        except (DatabaseError, InterfaceError):
            logger.exception("The end of the sealing by %s could not be written", self._owner)

    def _roll(self) -> None:
        """Count sealed entries for the chart; the rest of a backlog the next time."""
        ends = time.monotonic() + ROLL_FOR
        rollups.roll(lambda: self._goes_on() and time.monotonic() < ends)

    def _goes_on(self) -> bool:
        return not self._stop.wait(BETWEEN_BATCHES)

    def _note_problem(self, text: str) -> None:
        """Write for Health why nothing more can be sealed, when that has changed."""
        if text != self._problem:
            SealState.objects.exclude(problem=text).update(problem=text)
            self._problem = text
