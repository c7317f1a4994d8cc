"""Two timers of a session, for its end and for the announcement of it, by the event loop's monotonic clock."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable

from django.utils import timezone


class Deadline:
    """The timers of one connection. When the wall clock jumps, control_loop.py sets them again."""

    def __init__(self, announce: Callable[[], None], end: Callable[[], None]) -> None:
        self._announce = announce
        self._end = end
        self._timers: list[asyncio.TimerHandle] = []

    def set(self, end_at: dt.datetime, notice: dt.timedelta) -> None:
        """End the session at `end_at`, and announce that `notice` before, unless `notice` is zero."""
        self.clear()
        loop, left = asyncio.get_running_loop(), (end_at - timezone.now()).total_seconds()
        self._timers.append(loop.call_later(max(left, 0), self._end))
        if notice > dt.timedelta(0):
            self._timers.append(loop.call_later(max(left - notice.total_seconds(), 0), self._announce))

    def clear(self) -> None:
        """Cancel the timers, so that neither the end nor its notice happens."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []
