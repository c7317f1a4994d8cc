"""The body of a request: read as a whole before a thread is taken, within bounds of size, time and number.

Strangers share one allowance, and those who are logged in another, so that no stranger keeps a person from sending a
form. A body that comes too slowly or is too large is refused in words. When there are too many, the oldest makes room.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

WITHIN = 60.0  # seconds for the whole body
GRACE = 5.0  # seconds before the rate counts
RATE = 500  # bytes a second, on average, after that
OPEN_PER_SENDER = 20  # bodies that are not here yet, of one person, or of an address where nobody is logged in
OPEN = 200  # the same of all strangers, and again of everybody who is logged in
KEPT = 32 * 1024 * 1024  # bytes of their bodies that are here in part or wait for a thread, each of the two again
THROWN_AWAY = 16 * 1024 * 1024  # bytes of a body that is refused anyway, so that its sender reads why

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Refusal(Exception):
    """The server answers by itself, with `status` and the words of the exception."""

    def __init__(self, status: HTTPStatus, text: str, *, retry_after: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after  # seconds; 0 says nothing


class ClientGone(Exception):
    """Nobody is there who could be answered."""


@dataclass(eq=False)
class Body:
    """One body that is being read. Whoever asked for it calls done() when it is not needed any more."""

    sender: str
    data: bytearray = field(default_factory=bytearray)
    has_to_go: bool = False
    _wait: asyncio.Timeout | None = None

    async def next(self, receive: Receive, until: float) -> Mapping[str, Any]:
        """The next message, at `until` (of the loop's clock) at the latest. Raises Refusal and ClientGone."""
        try:
            async with asyncio.timeout_at(until) as self._wait:
                if not self.has_to_go:
                    message = await receive()
        except TimeoutError:
            if not self.has_to_go:
                raise Refusal(
                    HTTPStatus.REQUEST_TIMEOUT,
                    "What you sent came too slowly, and not all of it arrived. Nothing was changed. Send it again.",
                ) from None
        finally:
            self._wait = None
        if self.has_to_go:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many forms are being sent at the same moment, and this one was the slowest. Nothing was changed. "
                "Send it again in a moment.",
                retry_after=5,
            )
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message

    def go(self) -> None:
        """Make room: whoever sends it is refused at once."""
        self.has_to_go = True
        if self._wait is not None:
            self._wait.reschedule(asyncio.get_running_loop().time())


@dataclass
class Allowance:
    """What strangers, or those who are logged in, may send at a time. `_open` has the oldest in front."""

    kept: int = 0  # bytes
    _open: dict[Body, None] = field(default_factory=dict)
    _senders: Counter[str] = field(default_factory=Counter)

    def begin(self, body: Body) -> None:
        """Take `body` in. When there are too many, the oldest of its sender goes, or of the one who has the most."""
        self._open[body] = None
        self._senders[body.sender] += 1
        if self._senders[body.sender] > OPEN_PER_SENDER:
            self._send_away(body.sender)
        elif len(self._open) > OPEN:
            [(busiest, _)] = self._senders.most_common(1)
            self._send_away(busiest)

    def end(self, body: Body) -> None:
        """It is here, or will not come. Harmless when it is called twice."""
        if body not in self._open:
            return
        del self._open[body]
        self._senders[body.sender] -= 1
        if not self._senders[body.sender]:
            del self._senders[body.sender]

    def keep(self, body: Body, piece: bytes) -> None:
        """Add `piece`. When all that is kept is too much, the largest that is not here yet goes. Raises Refusal when
        that is `body` itself."""
        while self.kept + len(piece) > KEPT:
            largest = max(self._open, key=lambda one: len(one.data), default=body)
            if len(largest.data) <= len(body.data):
                raise Refusal(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "The console is busy with what others send. Nothing was changed. Try again in a moment.",
                    retry_after=5,
                )
            self.end(largest)
            largest.go()
            self.let_go(largest)
        body.data += piece
        self.kept += len(piece)

    def let_go(self, body: Body) -> None:
        """Forget what it holds."""
        self.kept -= len(body.data)
        body.data = bytearray()

    def _send_away(self, sender: str) -> None:
        oldest = next(one for one in self._open if one.sender == sender)
        self.end(oldest)
        oldest.go()


@dataclass
class Bodies:
    """All bodies of one web process."""

    largest: int  # bytes of one
    _strangers: Allowance = field(default_factory=Allowance)
    _people: Allowance = field(default_factory=Allowance)

    async def read(self, receive: Receive, announced: int | None, network: str, person: str = "") -> Body:
        """The body, of `announced` bytes (None: it comes in chunks), that `person` sends, or a stranger of `network`.
        It counts as kept until done() is called.

        Raises Refusal and ClientGone.
        """
        body = Body(person or network)
        if announced == 0:
            return body
        allowance = self._people if person else self._strangers
        allowance.begin(body)
        try:
            await self._fill(body, allowance, receive, announced)
        except BaseException:
            allowance.let_go(body)
            raise
        finally:
            allowance.end(body)
        return body

    def done(self, body: Body, person: str = "") -> None:
        """The body is not needed any more."""
        (self._people if person else self._strangers).let_go(body)

    async def _fill(self, body: Body, allowance: Allowance, receive: Receive, announced: int | None) -> None:
        began, thrown_away = asyncio.get_running_loop().time(), 0
        is_refused = (announced or 0) > self.largest
        while True:
            received = len(body.data) + thrown_away
            message = await body.next(receive, began + min(WITHIN, GRACE + received / RATE))
            piece = message.get("body", b"")
            is_refused = is_refused or len(body.data) + len(piece) > self.largest
            if is_refused:
                thrown_away += len(piece)
            else:
                allowance.keep(body, piece)
            if not message.get("more_body") or thrown_away > THROWN_AWAY:
                break
        if is_refused:
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"What you sent is larger than {self.largest:,} bytes, which is more than any form of the console "
                "needs. Nothing was changed.",
            )
