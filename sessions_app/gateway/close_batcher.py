"""Note ended connections in batches: those that end while one transaction is written share the next.

So a hundred connections that are cut at once do not wait for a hundred transactions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from sessions_app.gateway import store
from sessions_app.gateway.flows.disconnect import Ending

CONNECTIONS_PER_WRITE = 100  # connections, so that other writers do not wait long

Waiting = tuple[Ending, "asyncio.Future[None]"]

logger = logging.getLogger(__name__)


class CloseBatcher:
    """Notes the ends of all connections of one process."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def note(self, ending: Ending) -> None:
        """Note this end. Return when the database has it. Raises the database's error."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ending, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        try:
            while self._waiting:
                now, self._waiting = self._waiting[:CONNECTIONS_PER_WRITE], self._waiting[CONNECTIONS_PER_WRITE:]
                if len(now) == 1 or not await self._write_all(now):
                    for one in now:
                        await self._write_one(*one)
        finally:
            self._writing = None

    async def _write_all(self, now: Sequence[Waiting]) -> bool:
        try:
            await store.call(store.ended, [ending for ending, _ in now])
        except Exception:
            logger.exception("The end of %s connections could not be written at once; writing one by one", len(now))
            return False
        for _, done in now:
            if not done.done():
                done.set_result(None)
        return True

    async def _write_one(self, ending: Ending, done: asyncio.Future[None]) -> None:
        try:
            await store.call(store.ended, [ending])
        except Exception as error:
            if done.done():
                logger.exception("The end of connection %s could not be written to the database", ending.connection_id)
            else:
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)
