"""Note that connections through a gateway are over, many in one transaction.

An administrator may cut hundreds at once. After a session's last one the worker checks what is true on the host. This
module knows no network, and not why a connection ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from activity import log
from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.gateway.flows import enforced
from sessions_app.gateway.flows.ssh_login import end_without_connections
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.models import PrivilegedSession


@dataclass(frozen=True, slots=True)
class Ending:
    """How one connection ended, with the bytes from the client and to it."""

    connection_id: int
    end: ConnectionEnd
    reason: str = ""
    bytes_in: int = 0
    bytes_out: int = 0


def disconnected(endings: Sequence[Ending]) -> int:
    """Note that these connections are over, all or none. Return how many of them were open.

    1. Lock their sessions in the same order as everybody, so that of two callers who end the last two connections one
    is the last.

    2. Each row ends once.

    3. Sessions without a connection, and their hosts, become due.

    4. Login sessions of SSH clients end with their last connection.

    5. Each connection gets one log entry, and each such login session.
    """
    by_id = {one.connection_id: one for one in endings}
    with transaction.atomic():
        held = PrivilegedSession.objects.select_for_update(of=("self",), no_key=True).order_by("pk")
        sessions = list(held.filter(connections__in=list(by_id)).values_list("pk", "resource_id"))
        over = [one for one in by_id.values() if _end(one)]
        ids = {session_id for session_id, _ in sessions}
        busy = GatewayConnection.objects.open().filter(session__in=ids).order_by()
        idle = ids - set(busy.values_list("session_id", flat=True)) if over else set()
        PrivilegedSession.objects.filter(pk__in=idle).update(next_monitor_at=None)
        for resource_id in sorted({found for session_id, found in sessions if session_id in idle}):
            HostWatch.objects.outdate(resource_id)
        enforced.without_connections(ids if over else (), timezone.now())
        rows = GatewayConnection.objects.select_related("session__user").in_bulk([one.connection_id for one in over])
        logins = {row.login_session_id for row in rows.values() if row.login_session_id is not None}
        closed = end_without_connections(logins) if logins else []
        log.record_all([*(_entry(rows[one.connection_id], one) for one in over), *closed])
    return len(over)


def _end(one: Ending) -> bool:
    values = {"ended_at": timezone.now(), "end_reason": one.end, "bytes_in": one.bytes_in, "bytes_out": one.bytes_out}
    return bool(GatewayConnection.objects.open().filter(pk=one.connection_id).update(**values))


def _entry(connection: GatewayConnection, one: Ending) -> LogEntry:
    session = connection.session
    seconds = (connection.ended_at - connection.started_at).total_seconds() if connection.ended_at else None
    with log.coming_from(connection.address or "", lambda: connection.login_session_id):
        return log.draft(
            Verb.CONNECTION_CLOSED,
            f"The connection of {session.user_name} to {session.resource_name} is over: "
            f"{one.reason or connection.get_end_reason_display()}",
            actor=session.user if one.end == ConnectionEnd.CLOSED else None,
            user=session.user,
            target=session,
            level=Level.INFO if one.end in (ConnectionEnd.CLOSED, ConnectionEnd.HOST) else Level.WARNING,
            details={
                "connection": connection.pk,
                "end": one.end.value,
                "bytes_in": one.bytes_in,
                "bytes_out": one.bytes_out,
                "seconds": None if seconds is None else round(seconds, 1),
            },
        )
