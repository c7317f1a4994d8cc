"""The open connections to hosts: all live in one event loop, in a thread of its own, and are kept for seconds.

A session's steps come in quick succession, and so do sessions on one host: a connection that was left a moment ago is
taken again, by the same key or certificate and for the same host key only. Knows neither what runs on it nor a session.
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

IDLE_SECONDS = 8.0  # how long one that nobody uses stays open
OLD_SECONDS = 120.0  # after so long it is closed even when it is used all the time, and the host asked anew
MOST_IDLE = 64  # at all hosts; the one that has been idle for longest makes room


@dataclasses.dataclass(eq=False, slots=True)
class Line:
    """An open connection, and to what: the same `where` stands for the same host, account, host key and login."""

    where: Hashable
    connection: asyncssh.SSHClientConnection
    opened: float = dataclasses.field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None


class Lines:
    """The loop and the idle connections. Everything but run() and forget() belongs to the loop's thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: list[Line] = []  # the longest idle first
        os.register_at_fork(after_in_child=self._start_anew)

    def _start_anew(self) -> None:
        """In a child process the thread is gone, and the connections are the parent's."""
        self._guard = threading.Lock()
        self._loop = None
        self._idle = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it in the loop, and wait for what it returns or raises."""
        with self._guard:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # when it was the wait that was interrupted
            raise

    def forget(self) -> None:
        """Close every idle connection."""
        if self._idle:
            self.run(self._close_all())

    async def _close_all(self) -> None:
        while self._idle:
            await self.close(self._take(self._idle[0]))

    async def idle(self, where: Hashable) -> Line | None:
        """One that is open and not in use, the latest used one first."""
        for line in reversed(self._idle):
            if line.where == where:
                self._take(line)
                if not line.connection.is_closed():
                    return line
        return None

    async def keep(self, line: Line) -> None:
        """Let somebody else use it for a few seconds."""
        if line.connection.is_closed() or time.monotonic() - line.opened > OLD_SECONDS:
            await self.close(line)
            return
        line.timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._drop, line)
        self._idle.append(line)
        if len(self._idle) > MOST_IDLE:
            self._drop(self._idle[0])

    async def close(self, line: Line) -> None:
        """Say goodbye; not for long."""
        line.connection.close()
        with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
            await asyncio.wait_for(line.connection.wait_closed(), 5)

    def _take(self, line: Line) -> Line:
        self._idle = [other for other in self._idle if other is not line]
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        return line

    def _drop(self, line: Line) -> None:
        self._take(line).connection.close()


LINES = Lines()
