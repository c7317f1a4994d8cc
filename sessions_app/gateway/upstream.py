"""The gateway's connection to a host: as the session's login account, with its certificate, to the pinned key only."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import Protocol
from weakref import WeakKeyDictionary

import asyncssh

from activity.text import plain
from sessions_app.gateway import algorithms, openssh
from sessions_app.gateway.asyncssh_patches import leave_out_empty_packets
from sessions_app.gateway.downstream import Terminal
from sessions_app.gateway.pressure import Pressure, has_tiny_packets
from sessions_app.gateway.store import Admitted
from sessions_app.hosts.connectors.ssh.transport import NO_FILES, known_hosts, local_trouble
from sessions_app.hosts.host_watch import CLOCK_IS_OFF, clock_words

CONNECT_SECONDS = 10.0
LOGINS_AT_ONE_HOST = 8  # logins that may run at the same time; sshd drops some if more than ten are not finished
WINDOW = 2 * 1024 * 1024  # bytes
PACKET = 32 * 1024  # bytes
KEEPALIVE_SECONDS = 15
KEEPALIVE_TIMES = 3
CIPHERS = [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
]


class HostRefused(Exception):
    """Says that the host cannot be reached or refused the session. The text is for the person."""


# The key holds the event loop too, because a semaphore belongs to one. There is one entry for each host in use.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, int], asyncio.Semaphore]] = WeakKeyDictionary()


class Upstream(asyncssh.SSHClient):
    """A connection to a host, which knows whether the host takes what is sent to it."""

    def __init__(self) -> None:
        self.connection: asyncssh.SSHClientConnection | None = None
        self.is_blocked = False
        self.on_blocked: Callable[[bool], None] = lambda is_blocked: None
        self.on_lost: Callable[[Exception | None], None] = lambda error: None

    @property
    def port(self) -> int | None:
        """Return our port, from which the host is reached; None when there is no connection any more."""
        name = None if self.connection is None else self.connection.get_extra_info("sockname")
        return None if name is None else int(name[1])

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Limit what waits for the host, which asyncssh does not."""
        self.connection = conn
        Pressure(conn, self._blocked)
        leave_out_empty_packets(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the relay that the host, the network or we closed the connection."""
        self.on_lost(exc)

    def _blocked(self, is_blocked: bool) -> None:
        self.is_blocked = is_blocked
        self.on_blocked(is_blocked)

    def close(self) -> None:
        """Close the connection. A second call does nothing."""
        if self.connection is not None:
            self.connection.close()


async def open_upstream(admitted: Admitted) -> Upstream:
    """Log in to the host. Raises HostRefused, and PermanentError when the pinned key cannot be read."""
    host = admitted.host
    if not host.host_key.strip():
        raise HostRefused(f"The host key of {host.name} is not confirmed yet. An administrator has to confirm it.")
    of_loop = _turns.setdefault(asyncio.get_running_loop(), {})
    turns = of_loop.setdefault((host.address, host.port), asyncio.Semaphore(LOGINS_AT_ONE_HOST))
    try:
        async with asyncio.timeout(CONNECT_SECONDS), turns:
            upstream = Upstream()
            await asyncssh.create_connection(
                lambda: upstream,
                host.address,
                host.port,
                username=host.account,
                client_keys=[(admitted.key, admitted.certificate)],
                known_hosts=known_hosts(host.host_key),
                preferred_auth="publickey",
                password=None,
                **NO_FILES,
                client_version=openssh.VERSION,
                encryption_algs=CIPHERS,
                kex_algs=algorithms.KEX,
                compression_algs=["none"],
                keepalive_interval=KEEPALIVE_SECONDS,
                keepalive_count_max=KEEPALIVE_TIMES,
            )
    except asyncssh.HostKeyNotVerifiable as error:
        raise HostRefused(
            f"{host.name} shows another host key than the one that was confirmed. Nothing was sent. "
            "Tell an administrator."
        ) from error
    except asyncssh.KeyExchangeFailed as error:
        raise HostRefused(f"{host.name} offers no host key of the confirmed kind. Tell an administrator.") from error
    except asyncssh.PermissionDenied as error:
        raise HostRefused(
            f"{host.name} does not let {host.account} in. {_clock(admitted.clock_off)} If the certificate "
            "authority was changed after the session began, request a new session."
        ) from error
    except (OSError, asyncssh.Error) as error:
        if local := local_trouble(error):
            raise HostRefused(f"{host.name} was not asked: {local}") from error
        why = "no answer in time" if isinstance(error, TimeoutError) else plain(error, 120)
        raise HostRefused(f"{host.name} cannot be reached: {why}.") from error
    return upstream


def _clock(off: float) -> str:
    """Return what else a refusal may mean: sshd does not say that a certificate is expired or not valid yet."""
    if abs(off) >= CLOCK_IS_OFF:
        return (
            f"Its clock was {clock_words(off)}; if it changed since, the certificate has expired or is not valid yet."
        )
    return (
        "If its clock was changed, the certificate has expired there or is not valid yet: the clock is read now, so "
        "try again in a few seconds."
    )


class Sink(Protocol):
    """Receives what comes from the host."""

    def host_opened(self, channel: asyncssh.SSHClientChannel[bytes]) -> None:
        """Use the channel, which is open now."""

    def host_data(self, data: bytes, is_error: bool) -> None:
        """Take what the program on the host wrote, to its standard error if `is_error`."""

    def host_eof(self) -> None:
        """Note that no more output comes."""

    def host_end_of_write(self) -> None:
        """Note that the host takes no more input."""

    def host_exit(self, code: int) -> None:
        """Note that the program ended, with `code` (-n for signal n)."""

    def host_gone(self, error: Exception | None) -> None:
        """Note that the channel is closed."""

    def host_full(self, is_full: bool) -> None:
        """Note whether the host takes more for now."""


class HostSession(asyncssh.SSHClientSession[bytes]):
    """A channel to the host, which passes everything to its sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Begin with the open channel. Raises HostRefused."""
        if has_tiny_packets(chan):
            raise HostRefused("The host wants its data in pieces that are too small.")
        openssh.on_end_of_write(chan, self._sink.host_end_of_write)
        self._sink.host_opened(chan)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Pass output on. Standard output has no `datatype`."""
        self._sink.host_data(data, datatype is not None)

    def eof_received(self) -> bool:
        """Keep the other direction open: exit status and close follow, now or much later."""
        self._sink.host_eof()
        return True

    def exit_status_received(self, status: int) -> None:
        self._sink.host_exit(status)

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._sink.host_exit(-signal_number(signal))

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.host_gone(exc)

    def pause_writing(self) -> None:
        """Tell the sink that the host's window is used up."""
        self._sink.host_full(True)

    def resume_writing(self) -> None:
        self._sink.host_full(False)


def signal_number(name: str) -> int:
    """Return the number of a signal by its SSH name (RFC 4254, 6.10); 15 for an unknown one."""
    return int(getattr(signal, f"SIG{name}", signal.SIGTERM))


async def open_channel(
    upstream: Upstream,
    sink: Sink,
    *,
    command: str | None,
    subsystem: str | None,
    env: Mapping[str | bytes, str | bytes],
    terminal: Terminal,
) -> None:
    """Begin a shell, a command or a subsystem on the host. Raises HostRefused, asyncssh.Error."""
    if upstream.connection is None:
        raise HostRefused("The host is gone.")
    await upstream.connection.create_session(
        lambda: HostSession(sink),
        openssh.command_bytes(command) if command else None,  # type: ignore[arg-type]  # bytes pass as they are
        subsystem=subsystem or (),
        env=env,
        request_pty="force" if terminal.kind else False,
        term_type=terminal.kind or (),
        term_size=terminal.size if terminal.kind else (),
        term_modes=dict(terminal.modes or {}),
        x11_forwarding=False,
        encoding=None,
        window=WINDOW,
        max_pktsize=PACKET,
    )
    if upstream.connection is not None:
        openssh.send_no_more_sessions(upstream.connection)
