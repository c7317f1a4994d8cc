"""A TCP connection that is forwarded through a host, as the log describes it: its target, bytes and duration.

note() and refused() are run by store.call(); the rest is pure.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth import get_user_model

from activity import log
from activity.models import Level, LogEntry
from activity.text import plain
from activity.verbs import Verb
from sessions_app.gateway.flows.connect import AuthenticatedClient
from sessions_app.gateway.models import GatewayConnection
from sessions_app.privileged.models import PrivilegedSession


@dataclass(frozen=True, slots=True)
class ForwardEvent:
    """A forwarded connection was opened, or closed after `seconds`; with the bytes from the client and to it."""

    target: str
    seconds: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0


def target_of(host: str, port: int) -> str:
    """Return the target as people write it, without control characters."""
    return f"[{plain(host, 100)}]:{port}" if ":" in host else f"{plain(host, 100)}:{port}"


class Forward:
    """A forwarded connection, while it lasts."""

    def __init__(self, host: str, port: int) -> None:
        self.target = target_of(host, port)
        self.bytes_in = self.bytes_out = 0
        self._started = time.monotonic()
        self._is_over = False

    def opened(self) -> ForwardEvent:
        """Return the event that both ends are connected."""
        return ForwardEvent(self.target)

    def closed(self) -> list[ForwardEvent]:
        """Return the event that an end is gone, once."""
        if self._is_over:
            return []
        self._is_over = True
        return [ForwardEvent(self.target, time.monotonic() - self._started, self.bytes_in, self.bytes_out)]


def note(connection_id: int, events: Sequence[ForwardEvent]) -> None:
    """Record one log entry for each event, in one transaction."""
    connection = GatewayConnection.objects.select_related("session__user").get(pk=connection_id)
    with log.coming_from(connection.address or "", lambda: connection.login_session_id):
        log.record_all([_entry(connection, event) for event in events])


def refused(login: AuthenticatedClient, target: str) -> None:
    """Record that the person asked for a target that the session's profile does not name."""
    user = get_user_model().objects.get(pk=login.user_id)
    with log.coming_from(login.address, lambda: login.login_session_id):
        log.record(
            Verb.CONNECTION_REFUSED,
            f"{user.get_username()} was not let through the gateway to {target}: the profile does not name it",
            actor=user,
            target=PrivilegedSession.objects.get(pk=login.session_id),
            level=Level.WARNING,
            details={"tcp": target, "client": login.client},
        )


def _entry(connection: GatewayConnection, event: ForwardEvent) -> LogEntry:
    session = connection.session
    through = f"{event.target} through {session.resource_name}"
    if event.seconds is None:
        verb, message = Verb.TCP_OPENED, f"{session.user_name} opened TCP to {through}"
    else:
        verb = Verb.TCP_CLOSED
        message = (
            f"TCP of {session.user_name} to {through} is over: {event.bytes_in} bytes sent, {event.bytes_out} fetched, "
            f"{event.seconds:.1f} s"
        )
    return log.draft(
        verb,
        message,
        actor=session.user,
        target=session,
        details={
            "connection": connection.pk,
            "tcp": event.target,
            "bytes_in": event.bytes_in,
            "bytes_out": event.bytes_out,
            "seconds": None if event.seconds is None else round(event.seconds, 1),
        },
    )
