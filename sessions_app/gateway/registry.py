"""What one gateway process holds: its name, its live relays, and how it makes recorders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sessions_app.gateway.close_batcher import Endings
from sessions_app.gateway.store import Admitted

if TYPE_CHECKING:
    from sessions_app.gateway.relay import Relay


class Recorder(Protocol):
    """Keeps what is on one terminal. None of the first four waits for anything or raises."""

    def output(self, data: bytes) -> None:
        """What the person was shown."""

    def resize(self, cols: int, rows: int) -> None:
        """The terminal has another size."""

    def mark(self, label: str) -> None:
        """Something happened: locked, unlocked, an extension."""

    def typed(self, data: bytes) -> None:
        """What the person sent; called always, kept only where the profile says so."""

    async def finish(self) -> None:
        """The connection is over: write what is left, and close."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is to be recorded."""

    admitted: Admitted
    command: str  # empty: a shell
    has_terminal: bool
    cols: int
    rows: int


RecorderFactory = Callable[[Recorded], Awaitable[Recorder]]  # may raise: then nobody gets in unrecorded


@dataclass
class Registry:
    """One of these in a process."""

    owner: str  # the owner of this gateway's heartbeat
    make_recorder: RecorderFactory | None = None  # asked where the profile records, except for file transfers
    relays: dict[int, Relay] = field(default_factory=dict)  # by connection id
    endings: Endings = field(default_factory=Endings)
    is_draining: bool = False  # takes no new connections

    def session_ids(self) -> set[int]:
        """Sessions with a live relay here."""
        return {relay.session_id for relay in self.relays.values()}
