"""What a connection asks of whoever records it. recording_writer.py does it; the connection does not know how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from sessions_app.gateway.store import Admitted


class Recorder(Protocol):
    """Keeps what is on one terminal. None of the first four methods waits for anything or raises."""

    def output(self, data: bytes) -> None:
        """Keep what the person was shown."""

    def resize(self, cols: int, rows: int) -> None:
        """Note that the terminal has another size."""

    def mark(self, label: str) -> None:
        """Note that something happened: locked, unlocked, an extension."""

    def typed(self, data: bytes) -> None:
        """Take what the person sent. This is always called, and the bytes are kept only where the profile says so."""

    async def finish(self) -> None:
        """Write what is left and close: the connection is over."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A connection that is to be recorded, as its recorder must know it."""

    admitted: Admitted
    command: str  # empty: a shell
    has_terminal: bool
    cols: int
    rows: int


RecorderFactory = Callable[[Recorded], Awaitable[Recorder]]  # may raise: then nobody gets in unrecorded
