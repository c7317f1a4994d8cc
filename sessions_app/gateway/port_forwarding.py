"""Forwards TCP connections of a client through the host, to targets that the session's profile allows.

All forwarded connections of one client count as one connection of its session: they share a row in the database, and
are frozen and closed together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

import asyncssh
from asyncssh import constants
from django.db import DatabaseError, InterfaceError

from sessions_app.errors import Refused
from sessions_app.gateway import forward, store
from sessions_app.gateway.downstream import AccessRefused, Terminal, message_for_person
from sessions_app.gateway.flows.connect import AuthenticatedClient
from sessions_app.gateway.forward import Forward, ForwardEvent
from sessions_app.gateway.log_batcher import LogBatcher
from sessions_app.gateway.opening import open_relay
from sessions_app.gateway.pressure import has_tiny_packets
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.relay import Relay
from sessions_app.gateway.upstream import PACKET, WINDOW

NOT_ALLOWED = (
    "TCP forwarding to {} is not allowed in this session. "
    "To reach the session's own host, log in to the gateway without -J."
)

MOST_REFUSED = 20  # refused targets of one client that are logged; more would fill the log

logger = logging.getLogger(__name__)


class ClientConnection(Protocol):
    """What port forwarding needs of its client connection."""

    registry: Registry
    connection: asyncssh.SSHServerConnection
    is_blocked: bool

    async def login(self) -> AuthenticatedClient:
        """Return who the client is, and which session the client asks for."""


class PortForwarding:
    """The person's side of a relay without a terminal (downstream.py), which holds the forwarded connections."""

    def __init__(self, client: ClientConnection, on_closed: Callable[[PortForwarding], None]) -> None:
        self.ends: set[ForwardedEnd] = set()
        self.is_paused = False
        self.relay: Relay | None = None
        self._client = client
        self._on_closed = on_closed
        self._opening = asyncio.Lock()
        self._log: LogBatcher[ForwardEvent] | None = None
        self._refused: set[str] = set()  # targets that were asked for and are not allowed

    async def open(self, host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
        """Open one more connection and return the client's end of it. Raises ChannelOpenError."""
        try:
            login = await self._client.login()
            if (host, port) not in await store.call(store.tcp_targets, login.session_id):
                raise Refused(await self._refuse(login, forward.target_of(host, port)))
            async with self._opening:
                if self.relay is None:
                    self.relay = await open_relay(
                        self._client.registry, login, self, Terminal(), is_port_forwarding=True
                    )
                    self._log = _log(self.relay.connection_id)
        except (Refused, AccessRefused) as refused:
            raise asyncssh.ChannelOpenError(constants.OPEN_ADMINISTRATIVELY_PROHIBITED, str(refused)) from refused
        except Exception as error:
            logger.exception("A forwarded connection could not be let in")
            raise asyncssh.ChannelOpenError(constants.OPEN_CONNECT_FAILED, message_for_person(error)) from error
        upstream = self.relay.upstream
        if upstream is None:
            raise asyncssh.ChannelOpenError(constants.OPEN_CONNECT_FAILED, "The connection to the host is closed.")
        if self.relay.is_frozen:
            raise _locked()
        if self.relay.session_id != login.session_id:
            text = "Another session of yours is forwarded here. Connect again."
            raise asyncssh.ChannelOpenError(constants.OPEN_ADMINISTRATIVELY_PROHIBITED, text)
        forwarded = Forward(host, port)
        client_end, host_end = ForwardedEnd(self, forwarded), ForwardedEnd(self, forwarded)
        client_end.peer, host_end.peer = host_end, client_end
        await upstream.create_connection(lambda: host_end, host, port, encoding=None, window=WINDOW, max_pktsize=PACKET)
        if self.relay.is_frozen:  # since the check above; asyncssh would read from the client's end once it is open
            host_end.abort()
            raise _locked()
        return client_end

    async def _refuse(self, login: AuthenticatedClient, target: str) -> str:
        """Record the refusal, and return what the client is told.

        Each target is recorded once, and only so many of them.
        """
        if target not in self._refused and len(self._refused) < MOST_REFUSED:
            self._refused.add(target)
            await store.call(forward.refused, login, target)
        return NOT_ALLOWED.format(target)

    def opened(self, forwarded: Forward) -> None:
        """Log that the host is connected to the target."""
        if self._log is not None:
            self._log.add([forwarded.opened()])

    def passed(self, end: ForwardedEnd, count: int) -> None:
        """Add `count` bytes to those that passed in the direction that begins at `end`."""
        if self.relay is not None:
            if end.is_client_end:
                end.forwarded.bytes_in += count
                self.relay.bridge.bytes_in += count
            else:
                end.forwarded.bytes_out += count
                self.relay.bridge.bytes_out += count

    def ended(self, end: ForwardedEnd) -> None:
        """Remove an end. With the last one, close the connection to the host too."""
        self.ends.discard(end)
        if self._log is not None and (events := end.forwarded.closed()):
            self._log.add(events)
        if not self.ends:
            self.gone()

    def gone(self) -> None:
        """Close the connection to the host, because the client has left or forwards nothing any more."""
        self._on_closed(self)
        if self.relay is not None:
            self.relay.client_gone()

    def drained(self) -> None:
        """Read again, because the client's socket takes more."""
        for end in self.ends:
            end.go_on()

    @property
    def is_blocked(self) -> bool:
        """Return whether the client's socket is full."""
        return self._client.is_blocked

    # What the relay and its bridge call (downstream.py).

    def write(self, data: bytes) -> None:
        """Do nothing, because there is no terminal."""

    def write_error(self, data: bytes) -> None:
        """Do nothing, because there is no terminal."""

    def write_eof(self) -> None:
        """Do nothing, because each forwarded connection has its own end."""

    def end_of_write(self) -> None:
        """Do nothing, because each forwarded connection has its own end."""

    def buffered(self) -> int:
        """Return 0, because each end limits its own bytes."""
        return 0

    def pause_reading(self) -> None:
        """Stop all connections, in both directions."""
        self.is_paused = True
        for end in self.ends:
            end.stop()

    def resume_reading(self) -> None:
        """Let all connections go on."""
        self.is_paused = False
        for end in self.ends:
            end.go_on()

    async def close(self, code: int, reason: str) -> None:
        """Drop all connections. Return when they are in the log."""
        self._on_closed(self)
        events: list[ForwardEvent] = []
        for end in list(self.ends):
            events += end.forwarded.closed()
            end.abort()
        try:
            if self._log is not None:
                await self._log.finish(events)
        except (DatabaseError, InterfaceError):
            logger.exception("The log does not name everything that was forwarded")


def _log(connection_id: int) -> LogBatcher[ForwardEvent]:
    what = f"Forwarded TCP connections of connection {connection_id}"
    return LogBatcher(lambda events: store.call(forward.note, connection_id, events), what)


def _locked() -> asyncssh.ChannelOpenError:
    return asyncssh.ChannelOpenError(constants.OPEN_ADMINISTRATIVELY_PROHIBITED, "Your session is locked.")


class ForwardedEnd(asyncssh.SSHTCPSession[bytes]):
    """One end of a forwarded connection. What is received here is sent at its peer."""

    def __init__(self, forwarding: PortForwarding, forwarded: Forward) -> None:
        self.forwarded = forwarded
        self.peer: ForwardedEnd | None = None
        self.is_client_end = False
        self._forwarding = forwarding
        self._chan: asyncssh.SSHTCPChannel[bytes] | None = None
        self._is_full = False  # the other side takes no more of what is received here

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        self._chan = chan
        self.is_client_end = isinstance(chan.get_connection(), asyncssh.SSHServerConnection)
        self._forwarding.ends.add(self)
        if not self.is_client_end:
            self._forwarding.opened(self.forwarded)
        if has_tiny_packets(chan):
            chan.get_connection().abort()
        if self._forwarding.is_paused or self.peer is None or self.peer._chan is None:
            chan.pause_reading()  # the host's end waits until the client's is there
        if self.peer is not None and self.is_client_end:
            self.peer.go_on()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Send the data at the peer, and read no more while the other side is full."""
        self._forwarding.passed(self, len(data))
        if self.peer is not None and self.peer._chan is not None and not self.peer._chan.is_closing():
            self.peer._chan.write(data)
        if not self.is_client_end and self._forwarding.is_blocked:
            self.stop()

    def eof_received(self) -> bool:
        """Close one direction. The other one stays open."""
        if self.peer is not None and self.peer._chan is not None and not self.peer._chan.is_closing():
            self.peer._chan.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Close both directions of the forwarded connection together."""
        if self.peer is not None and self.peer._chan is not None:
            self.peer._chan.close()
        self._forwarding.ended(self)

    def pause_writing(self) -> None:
        """Read no more at the peer, because this side takes no more."""
        if self.peer is not None:
            self.peer._is_full = True
            self.peer.stop()

    def resume_writing(self) -> None:
        """Read again at the peer."""
        if self.peer is not None:
            self.peer._is_full = False
            self.peer.go_on()

    def stop(self) -> None:
        """Read no more here."""
        if self._chan is not None:
            self._chan.pause_reading()

    def go_on(self) -> None:
        """Read again, unless something else forbids it."""
        is_blocked = (
            self._is_full or self._forwarding.is_paused or (not self.is_client_end and self._forwarding.is_blocked)
        )
        if self._chan is not None and not is_blocked:
            self._chan.resume_reading()

    def abort(self) -> None:
        if self._chan is not None:
            self._chan.abort()
