"""The pool of open connections to hosts. They use one event loop in a thread of its own, and stay open for seconds.

The steps of a session follow each other quickly, and so do sessions on one host. An idle connection is used again only
with the same key or certificate and for the same host key. The pool does not know what runs on a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Coroutine, Hashable
from typing import Any, TypeVar

import asyncssh

T = TypeVar("T")

IDLE_SECONDS = 8.0  # how long an idle connection stays open
OLD_SECONDS = 120.0  # the longest life of a connection, after which the host is authenticated again
MOST_IDLE = 64  # for all hosts together; the one that was idle for longest is closed


@dataclasses.dataclass(eq=False, slots=True)
class PooledConnection:
    """An open connection.

    `where` is the same for the same host, account, host key and credentials.
    """

    where: Hashable
    connection: asyncssh.SSHClientConnection
    opened: float = dataclasses.field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None


class ConnectionPool:
    """The event loop and the idle connections. Everything except run() and forget() runs in the loop's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: list[PooledConnection] = []  # sorted by how long they are idle, longest first
        os.register_at_fork(after_in_child=self._reset_after_fork)

    def _reset_after_fork(self) -> None:
        """Forget the loop and the connections in a child process, which has no such thread.

        They belong to the parent process.
        """
        self._lock = threading.Lock()
        self._loop = None
        self._idle = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine in the loop, wait for it, and return its result or raise its error."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # if this wait was interrupted
            raise

    def forget(self) -> None:
        """Close every idle connection."""
        if self._idle:
            self.run(self._close_all())

    async def _close_all(self) -> None:
        while self._idle:
            await self.close(self._take(self._idle[0]))

    async def idle(self, where: Hashable) -> PooledConnection | None:
        """Return the open idle connection that was used last, or None."""
        for line in reversed(self._idle):
            if line.where == where:
                self._take(line)
                if not line.connection.is_closed():
                    return line
        return None

    async def keep(self, line: PooledConnection) -> None:
        """Let the connection be used again within a few seconds."""
        if line.connection.is_closed() or time.monotonic() - line.opened > OLD_SECONDS:
            await self.close(line)
            return
        line.timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._drop, line)
        self._idle.append(line)
        if len(self._idle) > MOST_IDLE:
            self._drop(self._idle[0])

    async def close(self, line: PooledConnection) -> None:
        """Close the connection, and wait for that only for a short time."""
        line.connection.close()
        with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
            await asyncio.wait_for(line.connection.wait_closed(), 5)

    def _take(self, line: PooledConnection) -> PooledConnection:
        self._idle = [other for other in self._idle if other is not line]
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        return line

    def _drop(self, line: PooledConnection) -> None:
        self._take(line).connection.close()


CONNECTION_POOL = ConnectionPool()
