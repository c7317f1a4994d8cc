"""A terminal in a browser, as the person's side of a relay that outlives its socket.

What was written is kept until the page confirms it, so that a page that lost its connection continues where it was,
with nothing missing and nothing twice. The relay reads no more from the host while too much is kept. This module knows
neither tickets nor how sockets come in (web.py).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from sessions_app.gateway.byte_bridge import LARGEST
from sessions_app.gateway.downstream import Size
from sessions_app.gateway.relay import Relay

CHUNK = 64 * 1024  # bytes in one message to the page
LOW = 128 * 1024  # bytes; when no more are unconfirmed, the relay checks at once whether it may read the host again
GOODBYE_SECONDS = 1.0  # to tell a page that it was disconnected; a slower page gets no reason
FLUSH = 10.0  # seconds to send the rest of what a program printed before it ended
GONE_FOR_GOOD = (1000, 1001)  # the page was closed or left, by the person

logger = logging.getLogger(__name__)


class BadMessage(Exception):
    """The page sent a message that no page of the console sends."""


class BrowserChannel:
    """The person's side of a relay, in a browser. It has one socket at a time.

    `relay` is set as soon as there is one.
    """

    def __init__(self) -> None:
        self.relay: Relay | None = None
        self.socket: ServerConnection | None = None
        self.ending: dict[str, Any] | None = None  # the last message, set when the relay is over
        self.is_final = False  # then the page does not offer to connect again
        self._held = bytearray()  # what the page has not confirmed
        self._confirmed = 0  # bytes before _held, counted from the beginning
        self._sent = 0  # bytes sent on this socket, counted from the beginning
        self._messages: deque[dict[str, Any]] = deque()
        self._work = asyncio.Event()
        self._flushed = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._frozen: dict[str, Any] | None = None
        self._taken = 0  # typed bytes that were received
        self._sender: asyncio.Task[None] | None = None

    # The relay calls these.

    def write(self, data: bytes) -> None:
        self._held += data
        self._flushed.clear()
        self._work.set()

    def write_error(self, data: bytes) -> None:
        """Write to the terminal, which has no other place for errors."""
        self.write(data)

    def write_eof(self) -> None:
        """Do nothing, because a page is told only when the terminal is closed."""

    def end_of_write(self) -> None:
        """Do nothing, because a page is told only when the terminal is closed."""

    def buffered(self) -> int:
        """Return how many bytes the page has not confirmed."""
        return len(self._held)

    def pause_reading(self) -> None:
        self._may_read.clear()

    def resume_reading(self) -> None:
        self._may_read.set()

    def show_state(self, is_frozen: bool, title: str, message: str, *, is_lock: bool, by: str = "") -> None:
        """Show beside the terminal, on the page itself, whether it is frozen."""
        text = {"type": "frozen", "title": title, "message": message, "is_lock": is_lock, "by": by}
        self._frozen = text if is_frozen else None
        self.tell(self._frozen or {"type": "unfrozen"})

    async def close(self, code: int, reason: str) -> None:
        """Send the reason after everything that was written. Then the socket is closed (_send)."""
        if self.ending is None:
            self.ending = {"type": "closed", "code": code, "reason": reason, "is_final": self.is_final}
            self.tell(self.ending)
        if self.socket is None:
            return
        socket = self.socket
        try:
            await asyncio.wait_for(self._flushed.wait(), GOODBYE_SECONDS if reason else FLUSH)
            await socket.wait_closed()
        except TimeoutError:
            socket.transport.abort()

    # web.py calls these.

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message that is not output of the terminal, after everything that was written before."""
        self._messages.append(message)
        self._flushed.clear()
        self._work.set()

    async def attend(self, socket: ServerConnection, *, position: int | None) -> bool:
        """Serve this socket until it is gone. Return whether the person left for good.

        `position` is how many bytes a returning page has already, None for a new page. Raises BadMessage.
        """
        if position is not None:
            self._confirm(position)
        if self._sender is not None:
            self._sender.cancel()
        if self.socket is not None:
            self.socket.transport.abort()  # the old connection may be half open without any sign of it
        self.socket = socket
        self._sent = self._confirmed
        waiting = [self._frozen, self.ending] if position is not None else self._messages
        self._messages = deque([self._greeting(position), *filter(None, waiting)])
        self._flushed.clear()
        self._work.set()
        self._sender = sender = asyncio.create_task(self._send(socket))
        sender.add_done_callback(lambda task: _sent(task, socket))
        try:
            return await self._receive(socket)
        except ConnectionClosed:
            return socket.close_code in GONE_FOR_GOOD
        finally:
            sender.cancel()
            if self.socket is socket:
                self.socket = None
                self._flushed.set()  # nobody waits for a page that is away

    def _greeting(self, position: int | None) -> dict[str, Any]:
        assert self.relay is not None  # noqa: S101 - web.py opens the relay first
        greeting = {"type": "connected", "id": self.relay.connection_id, "resumed": position is not None}
        return greeting if position is None else greeting | {"taken": self._taken}

    async def _send(self, socket: ServerConnection) -> None:
        try:
            await socket.send(json.dumps(self._messages.popleft()))  # the greeting, before anything on the terminal
            while True:
                self._work.clear()
                while self._sent < self._confirmed + len(self._held):
                    start = self._sent - self._confirmed
                    chunk = bytes(self._held[start : start + CHUNK])
                    self._sent += len(chunk)
                    await socket.send(chunk)
                while self._messages:
                    await socket.send(json.dumps(self._messages[0]))
                    self._messages.popleft()
                if not self._work.is_set():
                    self._flushed.set()
                    if self.ending is not None:
                        return await socket.close(1000)
                await self._work.wait()
        except ConnectionClosed:
            return  # _receive() ends too, and says what kind of end it was

    async def _receive(self, socket: ServerConnection) -> bool:
        """Receive messages until the page says goodbye (True) or came back on another socket (False).

        The other socket was told what had come here by then, so whatever is found here after that is ignored. Raises
        ConnectionClosed when the socket is gone.
        """
        assert self.relay is not None  # noqa: S101 - web.py opens the relay first
        while True:
            message = await socket.recv()
            if self.socket is not socket:
                return False
            if isinstance(message, bytes):
                if await self._may_take(socket) and self.socket is socket:
                    self._taken += len(message)
                    self.relay.bridge.client_data(message)
            elif self._obey(message):
                return True

    async def _may_take(self, socket: ServerConnection) -> bool:
        """Wait until the host takes what is typed. Return False when the page is gone before that.

        Who keeps the terminal open for the page must know that it is gone.
        """
        if not self._may_read.is_set():
            waiting = [asyncio.ensure_future(self._may_read.wait()), asyncio.ensure_future(socket.wait_closed())]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waiting:
                    one.cancel()
        return self._may_read.is_set()

    def _obey(self, text: str) -> bool:
        """Handle one message that is not typed input. Return True if it was the last one."""
        assert self.relay is not None  # noqa: S101 - web.py opens the relay first
        message = read_object(text)
        match message.get("type"):
            case "confirm":
                self._confirm(number(message, "position"))
                if len(self._held) <= LOW:
                    self.relay.bridge.drained()
            case "resize":
                self.relay.bridge.resize(size_of(message))
            case "bye":
                return True
            case _:
                raise BadMessage("Unknown type of message.")
        return False

    def _confirm(self, position: int) -> None:
        """Forget the bytes before `position`, which the page has. Raises BadMessage."""
        if not self._confirmed <= position <= self._confirmed + len(self._held):
            raise BadMessage("A position that was never sent.")
        del self._held[: position - self._confirmed]
        self._confirmed = position


def _sent(task: asyncio.Task[None], socket: ServerConnection) -> None:
    """Close the socket after an error, so that its page comes back on another one.

    A page that gets no more messages would wait for ever.
    """
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("The output of a terminal could not be sent to its page", exc_info=error)
        socket.transport.abort()


def read_object(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object in `text`. Raises BadMessage for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("Not JSON.") from None
    if not isinstance(found, dict):
        raise BadMessage("Not an object.")
    return found


def size_of(message: dict[str, Any]) -> Size:
    """Return the size of a page's terminal, which has at least one cell. Raises BadMessage."""
    cols, rows = (max(1, min(number(message, name), LARGEST)) for name in ("cols", "rows"))
    return cols, rows, 0, 0


def number(message: dict[str, Any], name: str) -> int:
    """Return a whole number that is not negative. Raises BadMessage for anything else."""
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise BadMessage(f"No number {name}.")
    return value
