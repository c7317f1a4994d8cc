"""A session channel of an SSH client, as the person's side of a relay (downstream.py)."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

import asyncssh
from asyncssh import constants
from django.conf import settings

from activity.text import plain
from sessions_app.errors import Refused
from sessions_app.gateway import openssh
from sessions_app.gateway.byte_bridge import HIGH
from sessions_app.gateway.downstream import AccessRefused, CommandTooLong, Terminal, message_for_person
from sessions_app.gateway.flows.connect import AuthenticatedClient
from sessions_app.gateway.opening import open_relay
from sessions_app.gateway.pressure import Environment, has_tiny_packets
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.relay import Relay

SUBSYSTEMS = ("sftp",)
DISCONNECT_SECONDS = 1.0  # to send the reason to a client that is disconnected
END_SECONDS = 5.0  # that a program has to end after its client closed its side and reads no more
MOST_COMMAND = 1024 * 1024  # bytes
MOST_PACKET = 2 * MOST_COMMAND  # bytes; no command on Linux is longer, so each that is too long is refused with a text
USUAL_CHANNELS = 8  # of one client; if it has more, fewer bytes may wait in each, so that the sum stays bounded
PASSED_ON = (b"LANG", b"LC_", b"TZ", b"COLORTERM")  # environment variables; sshd_config of the host decides about them
MOST_ENVIRONMENT = 16 * 1024  # bytes

logger = logging.getLogger(__name__)


class ClientConnection(Protocol):
    """What a channel needs of its client connection."""

    registry: Registry
    connection: asyncssh.SSHServerConnection
    address: str
    is_blocked: bool
    channels: set[ClientChannel]

    async def login(self) -> AuthenticatedClient:
        """Return who the client is, and for which session."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in the background."""

    def channel_closed(self, channel: ClientChannel) -> None:
        """Make room for another channel."""


class ClientChannel(asyncssh.SSHServerSession[bytes]):
    """A channel from the client's request to its end. It has a relay once the host has let the person in."""

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        self._chan: asyncssh.SSHServerChannel[bytes] | None = None
        self._relay: Relay | None = None
        self._terminal = Terminal()
        self._command = self._subsystem = ""
        self._early = bytearray()  # what was received before the relay existed; reading stops at once
        self._is_eof = self._is_output_over = self._is_gone = False
        self._is_paused = False
        self._is_host_eof = False
        self._answer: Callable[[], object] | None = (
            None  # to a client that closed its side and waits for the exit status
        )

    # What the client asks for.

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan
        chan._env = Environment(PASSED_ON, MOST_ENVIRONMENT)
        openssh.take_any_command(chan)
        openssh.on_end_of_write(chan, self._end_of_write_received)
        openssh.on_close(chan, self._close_received)
        if has_tiny_packets(chan):
            self._client.connection.abort()

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        """Accept any terminal. Its name goes to the host unchanged."""
        known = {mode: value for mode, value in term_modes.items() if 0 < mode < constants.PTY_OP_RESERVED}
        self._terminal = Terminal(term_type[:60] or "dumb", term_size, known)
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        """Accept any command. One that is too long is refused later, with a text."""
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        """Accept the subsystem sftp and refuse every other one."""
        self._subsystem = subsystem
        return subsystem in SUBSYSTEMS

    def session_started(self) -> None:
        """Connect to the host."""
        self._client.spawn(self._begin())

    async def _begin(self) -> None:
        """Connect to the host. After any error, tell the client and close the channel, so that it does not wait."""
        try:
            await self._let_in()
        except CommandTooLong as refused:
            self._refuse(str(refused), 255)
        except (Refused, AccessRefused) as refused:
            self._refuse(str(refused))
        except Exception as error:
            logger.exception("A client from %s could not be let in", self._client.address)
            self._refuse(message_for_person(error))

    async def _let_in(self) -> None:
        env: dict[str | bytes, str | bytes] = dict(self._channel.get_environment_bytes().items())
        if (length := len(openssh.command_bytes(self._command))) > MOST_COMMAND:
            raise CommandTooLong(openssh.too_long(length, "the gateway", MOST_COMMAND))
        login = await self._client.login()
        relay = await open_relay(
            self._client.registry, login, self, self._terminal, self._command, subsystem=self._subsystem, env=env
        )
        self._relay = relay
        if self._is_gone:
            relay.client_gone()
            return
        early, self._early = bytes(self._early), bytearray()
        if early:
            relay.bridge.client_data(early)
        if self._is_eof:
            relay.bridge.client_eof()
        if self._is_output_over:
            relay.bridge.client_end_of_write()
        relay.bridge.ready()

    def _refuse(self, reason: str, code: int = 1) -> None:
        where = f"Ask for a session, or look at yours, at {settings.SITE_URL}"
        end = "\r\n" if self._terminal.kind else "\n"
        self.write_error(f"{plain(reason, 800)}{end}{where}{end}".encode())
        if openssh.can_send(self._channel):
            self._channel.exit(code)
        self._answer_close()

    # What comes from the client.

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Pass on bytes of the person."""
        if self._relay is not None:
            self._relay.bridge.client_data(data)
        else:
            self._early += data
            self.pause_reading()

    def eof_received(self) -> bool:
        """End the input. The other direction stays open."""
        self._is_eof = True
        if self._relay is not None:
            self._relay.bridge.client_eof()
        return True

    def _end_of_write_received(self) -> None:
        """Stop the output, which nobody reads any more."""
        self._is_output_over = True
        if self._relay is not None:
            self._relay.bridge.client_end_of_write()

    def _close_received(self, answer: Callable[[], object]) -> None:
        """Answer the close of a channel when the program has ended, with its exit status, as sshd does.

        It is answered at once when there is a terminal, which a closed window takes away, or when the program was told
        to stop neither by the client nor by its own end.
        """
        is_told = self._is_output_over and not self._terminal.kind
        if self._answer is not None or not (self._is_host_eof or is_told):
            self._answer = None
            answer()
            return
        self._answer = answer
        if not self._is_eof:
            self.eof_received()
        if not self._is_host_eof:
            asyncio.get_running_loop().call_later(END_SECONDS, self._answer_close)

    def _answer_close(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not self._is_gone:
            answer()

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Tell the program the new size."""
        size = (width, height, pixwidth, pixheight)
        if self._relay is not None:
            self._relay.bridge.resize(size)
        else:
            self._terminal = dataclasses.replace(self._terminal, size=size)

    def signal_received(self, signal: str) -> None:
        """Send the signal to the program."""
        if self._relay is not None:
            self._relay.bridge.signal(signal)

    def break_received(self, msec: int) -> bool:
        """Refuse a break, which no host takes."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End the relay, after the client or we closed the channel."""
        self._is_gone = True
        self._client.channel_closed(self)
        if self._relay is not None:
            self._relay.client_gone()

    def pause_writing(self) -> None:
        """Do nothing, because buffered() says that the client's window is used up."""

    def resume_writing(self) -> None:
        """Read again from the host."""
        self.drained()

    # What the relay and its bridge call (downstream.py).

    def write(self, data: bytes) -> None:
        if self._is_read:
            self._channel.write(data)

    def write_error(self, data: bytes) -> None:
        """Write to standard error, or to the terminal, which has one stream only."""
        if self._is_read:
            self._channel.write(data, None if self._terminal.kind else asyncssh.EXTENDED_DATA_STDERR)

    def write_eof(self) -> None:
        self._is_host_eof = True
        if self._is_read:
            self._channel.write_eof()

    def end_of_write(self) -> None:
        openssh.send_end_of_write(self._channel)

    def buffered(self) -> int:
        """Return how many bytes wait for the client. While its socket is full, return more than the relay allows."""
        share = max(1.0, len(self._client.channels) / USUAL_CHANNELS)
        waiting = self._channel.get_write_buffer_size() if self._answer is None else 0
        return int(waiting * share) + (2 * HIGH if self._client.is_blocked else 0)

    def pause_reading(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._channel.pause_reading()

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._channel.resume_reading()

    async def close(self, code: int, reason: str) -> None:
        """Close the channel. A cut client that does not read the reason loses its connection."""
        if openssh.can_send(self._channel):
            if code < 0:
                self._channel.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
            else:
                self._channel.exit(code)
        self._answer_close()
        if reason:
            try:
                await asyncio.wait_for(self._channel.wait_closed(), DISCONNECT_SECONDS)
            except TimeoutError:
                self._client.connection.abort()

    def drained(self) -> None:
        """Read again from the host, because the network takes more."""
        if self._relay is not None:
            self._relay.bridge.drained()

    @property
    def _is_read(self) -> bool:
        """Return whether data can still be written to the client: neither side has closed the channel."""
        return self._answer is None and not self._channel.is_closing()

    @property
    def _channel(self) -> asyncssh.SSHServerChannel[bytes]:
        if self._chan is None:
            raise RuntimeError("asyncssh has not made the channel yet")
        return self._chan
