"""Limit how much memory and time a peer of an SSH connection may cost. Peers are clients and hosts.

asyncssh itself has no such limits: it stores whatever a peer does not read, and sends packets as small as the peer
asks for. This module uses private names of asyncssh 2.24. If one of them were missing, the first connection and the
tests would fail.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import asyncssh

LOOK_EVERY_SECONDS = 0.25  # how often the unread bytes are counted while the peer reads nothing
# More bytes than can wait for a client that does nothing wrong: one that begins to read eight channels again at the
# same time, each with HIGH bytes (byte_bridge.py) and one more piece from the host.
MOST_UNREAD_BYTES = 8 * 1024 * 1024
# Every program must accept packets of 32,768 bytes (RFC 4253, section 6.1). With packets of one byte, each chunk of
# data would occupy the event loop for seconds.
LEAST_PACKET_BYTES = 512

logger = logging.getLogger(__name__)


class Pressure:
    """Reports when the peer reads nothing, and closes the connection if too many bytes wait for it.

    A peer counts as reading nothing while more than 64 KiB wait for its socket (pause_writing and resume_writing of
    asyncio.Protocol, which asyncssh leaves empty), and while keys are exchanged. During an exchange, which a peer can
    make as long as it likes, asyncssh stores without a limit what is to be sent.
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
        """Return how many bytes wait to be sent to the peer."""
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
            logger.warning("%s sends requests but reads no answers: closed with %s bytes unread", peer, unread)
            self._connection.abort()
        else:
            self._tell()


class Environment(dict[bytes, bytes]):
    """The environment variables that a client sends before its command. asyncssh would store any number of them.

    Only names that begin with one of `wanted` are stored, and at most `most` bytes. sshd drops the others, too.
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
    """Return whether the peer asks for packets that are smaller than LEAST_PACKET_BYTES."""
    return channel._send_pktsize < LEAST_PACKET_BYTES
