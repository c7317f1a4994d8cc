"""Correct what was noted while the console's own clock was wrong, so that nobody waits because of it.

Assume that the clock is an hour ahead when a session is to be checked again in a minute. When the clock is put right,
the session would be left alone for an hour, although its host has ended it long ago. So everything is checked again
when the clock jumps, and whenever a worker starts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import transaction

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.models import ControlRequest, PrivilegedSession

JUMP = 5.0  # seconds by which the wall clock may differ from the monotonic clock between two looks

logger = logging.getLogger(__name__)


class WallClock:
    """Notices that the wall clock jumped, for one process that looks about once a second."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._offset = wall() - steady()

    def jumped(self) -> float:
        """Return by how many seconds the clock jumped since the last call; zero when it did not."""
        before, self._offset = self._offset, self._wall() - self._steady()
        return self._offset - before if abs(self._offset - before) > JUMP else 0.0


class ClockWatch:
    """Makes everything due when a worker starts, and when the clock jumps."""

    def __init__(self, wall: WallClock | None = None) -> None:
        self._wall = wall or WallClock()
        self._is_new = True
        self._jump = 0.0

    def look(self) -> None:
        """Notice a start or a jump of the clock; to be called about once a second.

        Raises the database's error. The next call then tries again.
        """
        self._jump += self._wall.jumped()
        if self._jump:
            note_jump(self._jump)
        elif self._is_new:
            make_everything_due()
        self._is_new, self._jump = False, 0.0


def note_jump(seconds: float) -> None:
    """Record that the console's clock jumped by `seconds`, and make everything due."""
    logger.warning("The clock of this machine jumped by %.0f s; everything is looked at anew", seconds)
    with transaction.atomic():
        log.record(
            Verb.CLOCK_CHANGED,
            f"The console's clock was put {'forward' if seconds > 0 else 'back'} by {abs(seconds):,.0f} s",
            level=Level.WARNING,
            details={"seconds": round(seconds)},
        )
        make_everything_due()


def make_everything_due() -> None:
    """Let every session, request and host be due now, whatever time was noted for it."""
    not_ended = PrivilegedSession.objects.filter(ended_at=None)
    not_ended.exclude(next_monitor_at=None).update(next_monitor_at=None)
    not_ended.exclude(next_attempt_at=None).update(next_attempt_at=None)
    asked = ControlRequest.objects.filter(session__ended_at=None, enforced_at=None, dropped_at=None)
    asked.exclude(next_attempt_at=None).update(next_attempt_at=None)
    HostWatch.objects.exclude(began_at=None).update(began_at=None)
