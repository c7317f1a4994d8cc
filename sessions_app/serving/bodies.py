"""The body of a request: read as a whole before a thread is taken, within bounds of size, time and number.

A body that comes too slowly, is too large, or is one of too many from one address is refused in words.
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
OPEN_PER_NETWORK = 20  # bodies that are not here yet, of one address
OPEN = 200  # the same of everybody
KEPT = 64 * 1024 * 1024  # bytes of all bodies that are here in part or wait for a thread
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


@dataclass
class Bodies:
    """All bodies of one web process."""

    largest: int  # bytes of one
    _open: Counter[str] = field(default_factory=Counter)
    _kept: int = 0

    async def read(self, receive: Receive, announced: int | None, network: str) -> bytes:
        """The body, of `announced` bytes (None: it comes in chunks). It counts as kept until done() is called.

        Raises Refusal and ClientGone.
        """
        if announced == 0:
            return b""
        if self._open[network] >= OPEN_PER_NETWORK or self._open.total() >= OPEN:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too many forms from your address are being sent at the same moment. Nothing was changed. "
                "Send this one again in a moment.",
                retry_after=5,
            )
        self._open[network] += 1
        try:
            return await self._whole(receive, announced)
        finally:
            self._open[network] -= 1
            if not self._open[network]:
                del self._open[network]

    def done(self, body: bytes) -> None:
        """The body is not needed any more."""
        self._kept -= len(body)

    async def _whole(self, receive: Receive, announced: int | None) -> bytes:
        loop = asyncio.get_running_loop()
        began, body, thrown_away, is_refused = loop.time(), bytearray(), 0, (announced or 0) > self.largest
        try:
            while True:
                received = len(body) + thrown_away
                try:
                    async with asyncio.timeout_at(began + min(WITHIN, GRACE + received / RATE)):
                        message = await receive()
                except TimeoutError:
                    raise Refusal(
                        HTTPStatus.REQUEST_TIMEOUT,
                        "What you sent came too slowly, and not all of it arrived. Nothing was changed. Send it again.",
                    ) from None
                if message["type"] == "http.disconnect":
                    raise ClientGone
                piece = message.get("body", b"")
                is_refused = is_refused or len(body) + len(piece) > self.largest
                if is_refused:
                    thrown_away += len(piece)
                else:
                    self._keep(len(piece))
                    body += piece
                if not message.get("more_body") or thrown_away > THROWN_AWAY:
                    break
            if is_refused:
                raise Refusal(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"What you sent is larger than {self.largest:,} bytes, which is more than any form of the console "
                    "needs. Nothing was changed.",
                )
        except BaseException:
            self._kept -= len(body)
            raise
        return bytes(body)

    def _keep(self, more: int) -> None:
        if self._kept + more > KEPT:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The console is busy with what others send. Nothing was changed. Try again in a moment.",
                retry_after=5,
            )
        self._kept += more
