"""Read the body of a request as a whole before a thread is taken, within limits of size, time and number.

Clients that are not logged in share one allowance, and people who are logged in share another, so that no stranger
keeps a person from sending a form. A body that comes too slowly or is too large is refused with a text. When there are
too many, the oldest is refused.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

BODY_SECONDS = 60.0  # seconds for the whole body
RATE_GRACE_SECONDS = 5.0  # seconds before the rate counts
LEAST_BYTES_A_SECOND = 500  # bytes a second, on average, after that
MOST_INCOMPLETE_OF_SENDER = 20  # incomplete bodies of one person, or of one address where nobody is logged in
MOST_INCOMPLETE = 200  # incomplete bodies of all strangers; as many again of everybody who is logged in
# Bytes of all bodies that are incomplete or wait for a thread, for each of the two groups.
MOST_BYTES = 32 * 1024 * 1024
THROWN_AWAY = 16 * 1024 * 1024  # bytes of a refused body that are still read, so that its sender can read why

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Refusal(Exception):
    """Says that the server answers by itself, with `status` and the text of the exception."""

    def __init__(self, status: HTTPStatus, text: str, *, retry_after: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after  # seconds; 0 sends no Retry-After


class ClientGone(Exception):
    """Says that the client is gone, so that nobody can be answered."""


@dataclass(eq=False)
class Body:
    """A body that is being read. Its reader calls Bodies.done() when it is not needed any more."""

    sender: str
    data: bytearray = field(default_factory=bytearray)
    has_to_go: bool = False
    _wait: asyncio.Timeout | None = None

    async def next(self, receive: Receive, until: float) -> Mapping[str, Any]:
        """Return the next message, which must come before `until` (in the event loop's time).

        Raises Refusal when it does not, and ClientGone.
        """
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
        """Refuse the body at once, to make room for others."""
        self.has_to_go = True
        if self._wait is not None:
            self._wait.reschedule(asyncio.get_running_loop().time())


@dataclass
class Allowance:
    """What strangers, or people who are logged in, may send at a time. `_open` has the oldest body first."""

    bytes_held: int = 0  # bytes
    _open: dict[Body, None] = field(default_factory=dict)
    _senders: Counter[str] = field(default_factory=Counter)

    def begin(self, body: Body) -> None:
        """Count `body` in. When there are too many, refuse the oldest of its sender, or of the busiest sender."""
        self._open[body] = None
        self._senders[body.sender] += 1
        if self._senders[body.sender] > MOST_INCOMPLETE_OF_SENDER:
            self._send_away(body.sender)
        elif len(self._open) > MOST_INCOMPLETE:
            [(busiest, _)] = self._senders.most_common(1)
            self._send_away(busiest)

    def end(self, body: Body) -> None:
        """Count `body` out: it is complete, or will not come. A second call does nothing."""
        if body not in self._open:
            return
        del self._open[body]
        self._senders[body.sender] -= 1
        if not self._senders[body.sender]:
            del self._senders[body.sender]

    def keep(self, body: Body, piece: bytes) -> None:
        """Add `piece` to `body`.

        When all bodies together are too large, the largest that is not complete is refused. Raises Refusal when that is
        `body` itself.
        """
        while self.bytes_held + len(piece) > MOST_BYTES:
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
        self.bytes_held += len(piece)

    def let_go(self, body: Body) -> None:
        """Free the memory of `body`."""
        self.bytes_held -= len(body.data)
        body.data = bytearray()

    def _send_away(self, sender: str) -> None:
        oldest = next(one for one in self._open if one.sender == sender)
        self.end(oldest)
        oldest.go()


@dataclass
class Bodies:
    """All request bodies of one web process."""

    largest: int  # bytes of one
    _strangers: Allowance = field(default_factory=Allowance)
    _people: Allowance = field(default_factory=Allowance)

    async def read(self, receive: Receive, announced: int | None, network: str, person: str = "") -> Body:
        """Read the body that `person` sends, or a stranger of `network`, and return it.

        `announced` is its size in bytes, or None when it comes in chunks. Its memory counts until done() is called.
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
        """Free the body's memory, when it is not needed any more."""
        (self._people if person else self._strangers).let_go(body)

    async def _fill(self, body: Body, allowance: Allowance, receive: Receive, announced: int | None) -> None:
        began, thrown_away = asyncio.get_running_loop().time(), 0
        is_refused = (announced or 0) > self.largest
        while True:
            received = len(body.data) + thrown_away
            message = await body.next(
                receive, began + min(BODY_SECONDS, RATE_GRACE_SECONDS + received / LEAST_BYTES_A_SECOND)
            )
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
