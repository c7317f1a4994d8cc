"""Connects to one host as its service account, and runs programs there with a timeout and bounded output.

The host must show the pinned key, else nothing is sent. This module knows no session; what it runs comes from
scripts.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import shlex
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import asyncssh

from sessions_app.catalogue.connectors import PermanentError, TemporaryError
from sessions_app.hosts.connectors import progress
from sessions_app.hosts.connectors.ssh.connection_pool import CONNECTION_POOL, PooledConnection
from sessions_app.hosts.connectors.ssh.results import Result

CONNECT_SECONDS = 10.0
STEP_SECONDS = 60  # on the host, by timeout(1); we wait a little longer
MOST_OUTPUT = 64 * 1024  # bytes of each stream
AT_ONE_HOST = 4  # connections
AT_ALL_HOSTS = 32
PATIENCE = 45.0  # seconds that a call waits for its turn
SILENCE = 15.0  # seconds for which a host that did not answer is not asked again; longer than CONNECT_SECONDS

asyncssh.set_log_level("WARNING")  # the session's log says what is done on a host

# asyncssh would look for these in the home directory of whoever started the process, and fail where it may not.
NO_FILES: Mapping[str, Any] = {
    "config": None,
    "agent_path": None,
    "x509_trusted_certs": None,
    "x509_trusted_cert_paths": None,
}
# What this machine says to itself, before anything is sent: connect(2), "ERRORS".
LOCAL = {
    errno.EACCES,
    errno.EPERM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOBUFS,
    errno.ENAMETOOLONG,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
}

Credentials = Any  # what asyncssh takes as client_keys: a key, or a key with its certificate


class HostKeyChanged(PermanentError):
    """The host is not the one that was confirmed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Host:
    """Where a host is, and which key it must show."""

    name: str
    address: str
    port: int
    account: str
    host_key: str  # "type base64", or "@cert-authority type base64"


class Remote:
    """An open connection to a host, which connected() made."""

    def __init__(self, host: Host, connection: asyncssh.SSHClientConnection) -> None:
        self.host = host
        self._connection = connection

    def script(
        self, text: str, *arguments: str, given: str = "", most: int = MOST_OUTPUT, name: str = "sessionadmin"
    ) -> Result:
        """Run a shell script as root: `name` becomes $0, `arguments` $1, $2 ..., `given` its standard input.

        Raise the errors of program().
        """
        return self.program(["sh", "-c", text, name, *arguments], given=given, most=most)

    def program(self, words: list[str], given: str = "", most: int = MOST_OUTPUT) -> Result:
        """Run one program as root, and keep `most` bytes of each stream.

        Raise TemporaryError if it does not end in time or the connection breaks.
        """
        line = ["timeout", "-k", "5", str(STEP_SECONDS), *words]
        if self.host.account != "root":
            line = ["sudo", "-n", "--", *line]
        try:
            return CONNECTION_POOL.run(self._run(shlex.join(line), given.encode(), most))
        except TimeoutError:
            raise TemporaryError(f"{self.host.name} did not finish a step in {STEP_SECONDS} seconds.") from None
        except (OSError, asyncssh.Error) as error:
            raise TemporaryError(f"The connection to {self.host.name} broke: {_reason(error)}") from error

    async def _run(self, command: str, given: bytes, most: int) -> Result:
        async with asyncio.timeout(STEP_SECONDS + 10):
            process = await self._connection.create_process(command, encoding=None)
            with contextlib.suppress(BrokenPipeError):  # it may have ended without reading what it was given
                process.stdin.write(given)
                process.stdin.write_eof()
            output, errors = await asyncio.gather(_bounded(process.stdout, most), _bounded(process.stderr, most))
            await process.wait_closed()
        code = process.returncode
        return Result(255 if code is None else code, output, errors)


async def _bounded(stream: asyncssh.SSHReader[bytes], most: int) -> str:
    """Return the first `most` bytes as text. The rest is read and thrown away, so that the program does not wait."""
    received = bytearray()
    while data := await stream.read(16384):
        received += data[: most - len(received)]
    return received.decode(errors="replace")


class _Turns:
    """Bounds how many calls are at one host and at all hosts, and remembers which hosts did not answer."""

    def __init__(self) -> None:
        self._all = threading.BoundedSemaphore(AT_ALL_HOSTS)
        self._each: dict[tuple[str, int], threading.BoundedSemaphore] = {}
        self._silent: dict[tuple[str, int], tuple[float, str]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def turn(self, host: Host) -> Iterator[None]:
        """Wait for a place at the host, then for one in all. Raises TemporaryError when neither comes in time."""
        where = (host.address, host.port)
        with self._lock:
            at_host = self._each.setdefault(where, threading.BoundedSemaphore(AT_ONE_HOST))
        self.refuse_silent(host)
        until = time.monotonic() + PATIENCE
        if not at_host.acquire(timeout=PATIENCE):
            raise TemporaryError(f"{host.name} is busy with other sessions.")
        try:
            self.probe(host)
            if not self._all.acquire(timeout=max(until - time.monotonic(), 0.1)):
                raise TemporaryError("Too many hosts are being worked at.")
            try:
                yield
            finally:
                self._all.release()
        finally:
            at_host.release()

    @contextlib.contextmanager
    def extra_connection(self, host: Host) -> Iterator[None]:
        """Take no place, for a call that takes long and for which no session is to wait. Raises TemporaryError."""
        self.probe(host)
        yield

    def refuse_silent(self, host: Host) -> None:
        """Raise TemporaryError if the host did not answer a moment ago, so that a dead host costs one wait only."""
        since, reason = self._silent.get((host.address, host.port), (0.0, ""))
        if reason and time.monotonic() - since < SILENCE:
            raise TemporaryError(reason)

    def probe(self, host: Host) -> None:
        """Let one caller try again after the silence. Raise TemporaryError for the others until that one is back."""
        where = (host.address, host.port)
        with self._lock:
            self.refuse_silent(host)
            if where in self._silent:
                self._silent[where] = (time.monotonic(), self._silent[where][1])

    def is_silent(self, where: tuple[str, int]) -> bool:
        """Return whether a host, by address and port, did not answer when it was tried last."""
        with self._lock:
            return where in self._silent

    def heard(self, where: tuple[str, int]) -> None:
        """Note that a host answers again: the next call tries at once."""
        with self._lock:
            self._silent.pop(where, None)

    def note(self, host: Host, reason: str) -> None:
        """Remember why the host did not answer, or with an empty reason that it did."""
        with self._lock:
            if reason:
                self._silent[host.address, host.port] = (time.monotonic(), reason)
            else:
                self._silent.pop((host.address, host.port), None)


TURNS = _Turns()


@contextlib.contextmanager
def connected(
    host: Host, credentials: Credentials, *, anew: bool = False, extra_connection: bool = False
) -> Iterator[Remote]:
    """Return a connection for as long as the block takes.

    One that was left in good order seconds ago is used again, except with `anew`. An `extra_connection` does not count
    among those that may be at the host. Raise TemporaryError (no answer), PermanentError (refused) or HostKeyChanged.
    """
    if not host.host_key.strip():
        raise PermanentError(
            f"The host key of {host.name} is not confirmed yet. Nothing was sent; an administrator confirms it by "
            "“Test connection” on the resource's page."
        )
    where = (host.address, host.port, host.account, host.host_key, _public_half(credentials))
    with TURNS.extra_connection(host) if extra_connection else TURNS.turn(host):
        line = None if anew else CONNECTION_POOL.run(CONNECTION_POOL.idle(where))
        if line is None:
            line = PooledConnection(where, _connect(host, credentials))
        try:
            yield Remote(host, line.connection)
        except BaseException:
            CONNECTION_POOL.run(CONNECTION_POOL.close(line))
            raise
        CONNECTION_POOL.run(CONNECTION_POOL.keep(line))


def _public_half(credentials: Credentials) -> tuple[bytes, ...]:
    """Return what tells one login from another: the public key, and the certificate when there is one."""
    key, *certificate = credentials if isinstance(credentials, tuple) else (credentials,)
    return (key.public_data, *(one.export_certificate() for one in certificate))


def _connect(host: Host, credentials: Credentials) -> asyncssh.SSHClientConnection:
    progress.begin("it has not answered yet")
    try:
        connection = CONNECTION_POOL.run(_open(host, credentials))
    except asyncssh.HostKeyNotVerifiable as error:
        raise HostKeyChanged(
            f"{host.name} shows another host key than the one that was confirmed. Nothing was sent. If the host was "
            "set up anew, an administrator confirms its new key by “Test connection”; else somebody may stand between."
        ) from error
    except asyncssh.PermissionDenied as error:
        raise PermanentError(
            f"{host.name} refuses the service account {host.account}. Does it trust our key or certificate, and is its "
            "clock right within 30 days? Outside of that a certificate has expired there or is not valid yet."
        ) from error
    except asyncssh.KeyExchangeFailed as error:
        # No host key of the pinned type is offered: asyncssh asks for no other.
        raise HostKeyChanged(
            f"{host.name} offers no host key of the confirmed kind, or no common encryption: {_reason(error)}"
        ) from error
    except (OSError, TimeoutError, asyncssh.Error) as error:
        if local := local_trouble(error):
            raise TemporaryError(f"{host.name} was not asked: {local}") from error
        reason = f"{host.name} cannot be reached at {host.address}, port {host.port}: {_reason(error)}"
        TURNS.note(host, reason)
        raise TemporaryError(reason) from error
    TURNS.note(host, "")
    return connection


async def _open(host: Host, credentials: Credentials) -> asyncssh.SSHClientConnection:
    async with asyncio.timeout(CONNECT_SECONDS):
        return await asyncssh.connect(
            host.address,
            host.port,
            username=host.account,
            client_keys=[credentials],
            known_hosts=known_hosts(host.host_key),
            connect_timeout=CONNECT_SECONDS,
            login_timeout=CONNECT_SECONDS,
            preferred_auth="publickey",
            password=None,
            **NO_FILES,
        )


def known_hosts(pinned: str) -> asyncssh.SSHKnownHosts:
    """Return the pinned lines as a known_hosts file for any address. Raises PermanentError when they cannot be read."""
    lines = []
    for line in pinned.splitlines():
        words = line.split()
        if words[:1] == ["@cert-authority"]:
            lines.append(" ".join(["@cert-authority", "*", *words[1:3]]))
        elif words:
            lines.append(" ".join(["*", *words[:2]]))
    try:
        return asyncssh.import_known_hosts("\n".join(lines) + "\n")
    except ValueError as error:
        raise PermanentError("The pinned host key cannot be read. Confirm it anew by “Test connection”.") from error


def local_trouble(error: BaseException) -> str:
    """Return what is wrong on this machine when `error` says that the host was not even asked, else an empty string."""
    if not isinstance(error, OSError) or (error.filename is None and error.errno not in LOCAL):
        return ""
    what = f"{error.strerror or type(error).__name__} ({error.filename})" if error.filename else f"{error.strerror}"
    return f"SessionAdmin's own machine could not open a connection: {what}."


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}."
    return f"{str(error)[:120] or type(error).__name__}."
