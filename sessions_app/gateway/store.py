"""The only way from the gateway's event loop to the database: `await call(function, ...)`.

It runs the function in one of a few threads. Such functions, here and in other modules, are plain and synchronous. They
take and return small frozen values.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import asyncssh
from django.contrib.auth import get_user_model
from django.db import close_old_connections
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.models import LogEntry
from activity.text import plain
from activity.verbs import Verb
from sessions_app.catalogue.terms import tcp_targets_of
from sessions_app.errors import Refused
from sessions_app.gateway.files import FileAction, FileEvent
from sessions_app.gateway.flows import connect
from sessions_app.gateway.flows.connect import AuthenticatedClient
from sessions_app.gateway.flows.disconnect import Ending, disconnected
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection
from sessions_app.hosts.connectors.ssh.credentials import host_of
from sessions_app.hosts.connectors.ssh.transport import Host
from sessions_app.hosts.models import HostWatch
from sessions_app.hosts.ssh import ca
from sessions_app.privileged.flows import extend
from sessions_app.privileged.models import PrivilegedSession, Status

THREADS = 8
GATEWAY_CERTIFICATE_SECONDS = 300

P = ParamSpec("P")
T = TypeVar("T")

_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
_first = ThreadPoolExecutor(2, thread_name_prefix="store-first")


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run one of these functions in a thread. Raises what it raises."""
    return await _run(_pool, function, *args, **kwargs)


async def call_first(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function for control or heartbeat, which must not wait until all others have used the database."""
    return await _run(_first, function, *args, **kwargs)


async def _run(pool: ThreadPoolExecutor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    def run() -> T:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(pool, run)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A connection that may be opened to the host, with everything that the relay must know about its session."""

    connection_id: int
    session_id: int
    user_id: int
    user_name: str
    resource_name: str
    host: Host  # its account is the session's login account
    key: asyncssh.SSHKey = field(repr=False)
    certificate: asyncssh.SSHCertificate = field(repr=False)
    end_at: dt.datetime
    end_notice: dt.timedelta
    can_extend: bool
    is_recorded: bool
    is_input_recorded: bool
    tcp_targets: tuple[tuple[str, int], ...]
    clock_off: float = 0.0  # seconds that the host's clock is ahead of ours, as it said last
    language: str = ""  # LANG for a terminal in the browser, which has none of its own


@dataclass(frozen=True, slots=True)
class SessionState:
    """The state of a session when the host has let a connection in."""

    status: Status
    title: str
    message: str
    end_at: dt.datetime | None


@sensitive_variables("key")
def admit(login: AuthenticatedClient, gateway: str) -> Admitted:
    """Note the connection, and sign a certificate for it.

    The certificate is valid for five minutes, for this session's account, and for a key that exists in this process
    only. Raises Refused, ConnectorError, AuthorityError, SealingError; after the first nothing is noted.
    """
    connection = connect.connect(login, gateway)
    session = connection.session
    clock_off = HostWatch.objects.clock_off(session.resource_id)
    targets = tcp_targets_of(session.profile.tcp_targets)
    try:
        host = host_of(session.resource)
        key = asyncssh.generate_private_key("ssh-ed25519")
        signed = ca.sign(
            key.export_public_key().decode().strip(),
            principals=[ca.session_principal(session.pk)],
            key_id=f"{session.user_name}/{ca.session_principal(session.pk)}/gateway",
            seconds=GATEWAY_CERTIFICATE_SECONDS,
            actor=session.user,
            target=session,
            may_forward=bool(targets),
            clock_off=clock_off,
        )
    except Exception:
        ended([Ending(connection.pk, ConnectionEnd.FAILED, "The way to the host could not be prepared")])
        raise
    return Admitted(
        connection_id=connection.pk,
        session_id=session.pk,
        user_id=session.user_id,
        user_name=session.user_name,
        resource_name=session.resource_name,
        host=Host(host.name, host.address, host.port, session.login_account, host.host_key),
        key=key,
        certificate=asyncssh.import_certificate(signed.line),
        end_at=session.end_at or connection.started_at,
        end_notice=session.profile.end_notice,
        can_extend=session.extensions < session.profile.extension_limit,
        is_recorded=session.profile.record,
        is_input_recorded=session.profile.record_input,
        tcp_targets=targets,
        clock_off=clock_off,
        language=session.profile.terminal_language,
    )


def connected(connection_id: int, host_port: int | None) -> SessionState:
    """Note that the host let the connection in (see flows.connect.connected())."""
    session = connect.connected(GatewayConnection.objects.get(pk=connection_id), host_port)
    title, message = connect.lock_text(session) if session.status == Status.LOCKED else ("", "")
    return SessionState(Status(session.status), title, message, session.end_at)


def ended(endings: Sequence[Ending]) -> None:
    """Store the ends of these connections in one transaction."""
    disconnected(endings)


def tcp_targets(session_id: int) -> tuple[tuple[str, int], ...]:
    """Return the targets to which the session's profile lets its user forward TCP."""
    session = PrivilegedSession.objects.select_related("profile").get(pk=session_id)
    return tcp_targets_of(session.profile.tcp_targets)


def note_files(connection_id: int, events: Sequence[FileEvent]) -> None:
    """Record one log entry for each file, in one transaction."""
    connection = GatewayConnection.objects.select_related("session__user").get(pk=connection_id)
    with log.coming_from(connection.address or "", lambda: connection.login_session_id):
        log.record_all([_file_entry(connection, event) for event in events])


def extend_session(session_id: int) -> tuple[dt.datetime | None, str]:
    """Extend the session for its user. Return the new end, or None with the reason why not."""
    session = PrivilegedSession.objects.get(pk=session_id)
    user = get_user_model().objects.get(pk=session.user_id)
    try:
        extend.extend(user, session)
    except Refused as refused:
        return None, refused.message
    return session.end_at, ""


def _file_entry(connection: GatewayConnection, event: FileEvent) -> LogEntry:
    session = connection.session
    name = f"{event.name} as " if event.name else ""
    if event.what in (FileAction.SENT, FileAction.FETCHED):
        way = (
            f"sent {name}"
            if event.what == FileAction.SENT
            else f"fetched {event.name + ' from ' if event.name else ''}"
        )
        message = f"{session.user_name} {way}{event.path} ({event.size} bytes)"
    else:
        message = f"{session.user_name} {event.what.value} {event.path}{' to ' + event.other if event.other else ''}"
    return log.draft(
        {FileAction.SENT: Verb.FILE_SENT, FileAction.FETCHED: Verb.FILE_FETCHED}.get(event.what, Verb.FILE_CHANGED),
        message if event.is_complete else f"{message}, not as a whole",
        actor=session.user,
        target=session,
        details={
            "connection": connection.pk,
            "what": event.what.value,
            "path": plain(event.path, 1000),
            "name": plain(event.name, 1000),
            "other": plain(event.other, 1000),
            "bytes": event.size,
            "complete": event.is_complete,
        },
    )
