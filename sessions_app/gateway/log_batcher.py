"""Write the events of a connection to the activity log in batches, so that many events are few transactions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from django.db import DatabaseError, InterfaceError

WRITE_EVERY_SECONDS = 0.5
# Seconds between tries at the end, for a database that is only being restarted.
RETRY_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)

Event = TypeVar("Event")

logger = logging.getLogger(__name__)


class LogBatcher(Generic[Event]):
    """The events of one connection.

    `write` puts events into the log, all or none. `what` names them in the error when that fails.
    """

    def __init__(self, write: Callable[[Sequence[Event]], Awaitable[None]], what: str) -> None:
        self._write_all = write
        self._what = what
        self._waiting: list[Event] = []
        self._writing: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    def add(self, events: Sequence[Event]) -> None:
        """Add events, in the order in which they happened."""
        self._waiting += events
        if self._waiting and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_soon())

    async def finish(self, events: Sequence[Event] = ()) -> None:
        """Add the last events. Return when everything is in the log. Raises the database's error."""
        self._over.set()
        if self._writing is not None:
            await self._writing
        self._waiting += events
        for pause in RETRY_PAUSES_SECONDS:
            if await self._try():
                return
            await asyncio.sleep(pause)
        await self._write()

    async def _write_soon(self) -> None:
        """Write until nothing waits. What happens during a write comes with the next; a failed one is repeated."""
        pause = WRITE_EVERY_SECONDS
        try:
            while self._waiting and not self._over.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), pause)
                pause = WRITE_EVERY_SECONDS if await self._try() else min(pause * 2, RETRY_PAUSES_SECONDS[-1])
        finally:
            self._writing = None

    async def _try(self) -> bool:
        try:
            await self._write()
        except (DatabaseError, InterfaceError):
            logger.exception("%s are not in the log yet; trying again", self._what)
            return False
        return True

    async def _write(self) -> None:
        events, self._waiting = self._waiting, []
        if not events:
            return
        try:
            await self._write_all(events)
        except (DatabaseError, InterfaceError):
            self._waiting = events + self._waiting
            raise
