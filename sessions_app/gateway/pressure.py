"""Limit what a peer may cost on an SSH connection, where asyncssh has no limit. For clients and hosts.

asyncssh keeps for a peer whatever the peer does not take, and sends packets as small as the peer wishes. This uses
private names of asyncssh 2.24: if one were missing, the first connection and the tests would fail.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import asyncssh

LOOK_EVERY_SECONDS = 0.25  # seconds, while the peer takes nothing
# As many bytes may wait while nothing is wrong: eight channels whose client begins to read again at the same time,
# each with HIGH bytes (byte_bridge.py) and one more piece from the host.
MOST_UNREAD_BYTES = 8 * 1024 * 1024  # bytes
# RFC 4253, 6.1 has everybody take 32,768. With packets of one byte, each chunk would occupy the event loop for seconds.
LEAST_PACKET_BYTES = 512

logger = logging.getLogger(__name__)


class Pressure:
    """Tells when the client reads nothing, and drops the connection when too many bytes wait meanwhile.

    It takes nothing while more than 64 KiB wait for its socket (asyncio.Protocol's pause_writing and resume_writing,
    which asyncssh leaves empty), and while keys are exchanged: asyncssh then keeps what is sent without a limit, and a
    peer can let that last.
    """

    def __init__(
        self,
        connection: asyncssh.SSHClientConnection | asyncssh.SSHServerConnection,
        blocked: Callable[[bool], None],
    ) -> None:
        self._connection = connection
        self._blocked = blocked
        self._is_full = self._is_told = False
        self._timer: asyncio.TimerHandle | None = None
        wrapped: dict[str, Callable[..., None]] = {
            "pause_writing": lambda: self._filled(is_full=True),
            "resume_writing": lambda: self._filled(is_full=False),
            "_send_kexinit": self._then_tell(connection._send_kexinit),
            "_send_deferred_packets": self._then_tell(connection._send_deferred_packets),
        }
        for name, function in wrapped.items():
            setattr(connection, name, function)

    def unread(self) -> int:
        """Return how many sent bytes the peer has not taken."""
        transport = self._connection._transport
        waiting = 0 if transport is None else transport.get_write_buffer_size()
        return waiting + sum(len(part) for _, parts in self._connection._deferred_packets for part in parts)

    def _then_tell(self, function: Callable[[], None]) -> Callable[[], None]:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> None:
            function(*args, **kwargs)
            self._tell()

        return wrapper

    def _filled(self, *, is_full: bool) -> None:
        self._is_full = is_full
        self._tell()

    def _tell(self) -> None:
        is_blocked = self._is_full or not self._connection._kex_complete
        if is_blocked != self._is_told:
            self._is_told = is_blocked
            self._blocked(is_blocked)
        if is_blocked and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._connection._transport is None:
            return
        if (unread := self.unread()) > MOST_UNREAD_BYTES:
            peer = self._connection.get_extra_info("peername", ("?",))[0]
            logger.warning("%s asks and does not read: dropped with %s bytes unread", peer, unread)
            self._connection.abort()
        else:
            self._tell()


class Environment(dict[bytes, bytes]):
    """The variables that a client sends before it begins, which asyncssh keeps without a limit.

    Only names that begin like one of `wanted` are kept, and at most `most` bytes. The rest is dropped, as sshd does.
    """

    def __init__(self, wanted: tuple[bytes, ...], most: int) -> None:
        super().__init__()
        self._wanted = wanted
        self._room = most

    def __setitem__(self, name: bytes, value: bytes) -> None:
        room = self._room + len(self.get(name, b"")) - len(value) - (0 if name in self else len(name))
        if name.startswith(self._wanted) and room >= 0:
            self._room = room
            super().__setitem__(name, value)


def has_tiny_packets(
    channel: asyncssh.SSHServerChannel[bytes] | asyncssh.SSHClientChannel[bytes] | asyncssh.SSHTCPChannel[bytes],
) -> bool:
    """Return whether the peer wants its data in pieces that are too small for any good use."""
    return channel._send_pktsize < LEAST_PACKET_BYTES
