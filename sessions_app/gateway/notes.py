"""What happens on a connection, on its way to the activity log: some entries at a time, so that a flood of them is a
few transactions. Knows not what they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from django.db import DatabaseError, InterfaceError

EVERY = 0.5  # seconds

Event = TypeVar("Event")

logger = logging.getLogger(__name__)


class Notes(Generic[Event]):
    """Of one connection. `write` puts events into the log, all or none; `what` names them when that fails."""

    def __init__(self, write: Callable[[Sequence[Event]], Awaitable[None]], what: str) -> None:
        self._write_all = write
        self._what = what
        self._waiting: list[Event] = []
        self._writing: asyncio.Task[None] | None = None

    def add(self, events: Sequence[Event]) -> None:
        """These happened, in this order."""
        self._waiting += events
        if self._waiting and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_soon())

    async def finish(self, events: Sequence[Event] = ()) -> None:
        """These are the last: everything is in the log when this returns. Raises what the database raises."""
        if self._writing is not None:
            await self._writing
        self._waiting += events
        await self._write()

    async def _write_soon(self) -> None:
        await asyncio.sleep(EVERY)
        try:
            await self._write()
        except (DatabaseError, InterfaceError):
            logger.exception("%s are not in the log yet", self._what)
        finally:
            self._writing = None

    async def _write(self) -> None:
        events, self._waiting = self._waiting, []
        if not events:
            return
        try:
            await self._write_all(events)
        except (DatabaseError, InterfaceError):
            self._waiting = events + self._waiting
            raise
