"""Correct the data of a restored backup, which knows nothing of what happened after it was made."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.gateway.flows.disconnect import Ending, disconnected
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection, GatewayHeartbeat, GatewayTicket
from sessions_app.gateway.recordings.models import Recording
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows.control import start_canceling
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession, Status
from sessions_app.worker.models import WebHeartbeat, WorkerHeartbeat

# Sessions that were asked for after the backup may have left something on hosts under their numbers.
SKIPPED_NUMBERS = 100_000


def correct_after_restore(made_at: str) -> list[str]:
    """End what cannot be true any more, in one transaction. Return one line for each kind.

    1. Connections through gateways are lost, tickets void, and nobody is logged in.

    2. Rights are taken away from every session that may hold some, because it may have ended since.

    3. What was due by now does not begin by itself: it may have begun, or been withdrawn, since.

    4. New sessions get numbers that no session after the backup had.
    """
    reason = f"The console was restored from a backup made at {made_at}"
    with transaction.atomic():
        lost = list(GatewayConnection.objects.open().values_list("pk", flat=True))
        Recording.objects.filter(connection__in=lost, ended_at=None).update(is_complete=False)
        disconnected([Ending(pk, ConnectionEnd.LOST, reason) for pk in lost])
        GatewayHeartbeat.objects.all().delete()
        WorkerHeartbeat.objects.all().delete()
        WebHeartbeat.objects.all().delete()
        GatewayTicket.objects.all().delete()
        logins = list(LoginSession.objects.live().select_related("user"))
        for login in logins:
            service.end(login, EndReason.EXPIRED, actor=None)
        Session.objects.all().delete()
        PrivilegedSession.objects.exclude(lease="").update(lease="", lease_until=None)
        taken, canceled = _end_sessions(reason)
        _skip_numbers()
        lines = [
            f"Connections noted as lost: {len(lost)}",
            f"Logins ended: {len(logins)}",
            f"Sessions whose rights the worker takes away as soon as it runs: {taken}",
            f"Sessions canceled because they were due by now: {canceled}",
        ]
        log.record(Verb.CONSOLE_RESTORED, reason, level=Level.WARNING, details={"lines": lines})
    cache.clear()
    return lines


def _end_sessions(reason: str) -> tuple[int, int]:
    """End the open sessions. Return how many lose their rights, and how many do not begin."""
    open_ones = PrivilegedSession.objects.filter(ended_at=None).select_related("user")
    holding = list(open_ones.filter(status__in=[*HOLDS_GRANT, Status.PROVISIONING]).order_by("pk"))
    for session in holding:
        start_canceling(session, Status.CANCELED, reason, level=Level.WARNING)
    due = list(open_ones.filter(status=Status.PENDING, scheduled_for__lte=timezone.now()).order_by("pk"))
    for session in due:
        lifecycle.transition(
            session, Status.CANCELED, Verb.SESSION_CANCELED, reason, level=Level.WARNING, end_reason=reason[:300]
        )
    return len(holding), len(due)


def _skip_numbers() -> None:
    table = PrivilegedSession._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s", [SKIPPED_NUMBERS, table])
            return
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
        (sequence,) = cursor.fetchone()
        cursor.execute("SELECT setval(%s, nextval(%s) + %s)", [sequence, sequence, SKIPPED_NUMBERS])
