"""When a session ends and when that is announced: two timers on the event loop, by its steady clock."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable

from django.utils import timezone


class Deadline:
    """Of one connection. A clock that jumps is for the control: it sets the deadline anew."""

    def __init__(self, announce: Callable[[], None], end: Callable[[], None]) -> None:
        self._announce = announce
        self._end = end
        self._timers: list[asyncio.TimerHandle] = []

    def set(self, end_at: dt.datetime, notice: dt.timedelta) -> None:
        """End it then, and announce that so long before, unless `notice` is nothing."""
        self.clear()
        loop, left = asyncio.get_running_loop(), (end_at - timezone.now()).total_seconds()
        self._timers.append(loop.call_later(max(left, 0), self._end))
        if notice > dt.timedelta(0):
            self._timers.append(loop.call_later(max(left - notice.total_seconds(), 0), self._announce))

    def clear(self) -> None:
        """Nothing comes any more."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []
