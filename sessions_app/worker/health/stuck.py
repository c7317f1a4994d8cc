"""Find sessions that do not move on although they should."""

from __future__ import annotations

import datetime as dt

from django.db.models import Q
from django.utils import timezone

from sessions_app.privileged.models import HOLDS_GRANT, ControlRequest, PrivilegedSession, Status

OVERDUE = dt.timedelta(minutes=2)  # after the time at which a worker should have acted
MANY_ATTEMPTS = 4  # with the worker's pauses about 15 seconds; fewer failures are ordinary
MOST_SESSIONS = 100


def stuck_sessions() -> list[str]:
    """Return the sentences of stuck()."""
    return [text for _, text in stuck()]


def stuck() -> list[tuple[int, str]]:
    """Return the number of the session and one sentence for each stuck session or request, at most 100 of either.

    Sessions that may still hold rights come first.
    """
    late = timezone.now() - OVERDUE
    # Filtered by ended_at, because its index has the few open sessions in one place.
    rows = PrivilegedSession.objects.filter(ended_at=None).filter(
        Q(status=Status.CANCELING, attempts__gte=MANY_ATTEMPTS)
        | Q(status__in=sorted(HOLDS_GRANT), end_at__lt=late)
        | Q(status=Status.PROVISIONING, attempts__gte=MANY_ATTEMPTS)
        | Q(status=Status.PENDING, scheduled_for__lt=late)
        | Q(status=Status.WAITING, approval_deadline__lt=late)
    )
    holds_rights = {Status.CANCELING, *HOLDS_GRANT}
    found = sorted(rows.order_by()[:MOST_SESSIONS], key=lambda one: (one.status not in holds_rights, one.pk))
    return [(one.pk, _sentence(one)) for one in found] + _open_controls()


def _sentence(one: PrivilegedSession) -> str:
    where = f"Session {one.pk} on {one.resource_name}"
    if one.status in (Status.CANCELING, Status.PROVISIONING):
        what = "its rights are not taken away" if one.status == Status.CANCELING else "it is not given its rights"
        return f"{where}: {what}, tried {one.attempts} times: {one.last_error or 'no reason was noted.'}"
    if one.status in HOLDS_GRANT:
        return f"{where}: its End has passed and it still has its rights."
    return f"{where}: its time has come and it is still {Status(one.status).label.lower()}."


def _open_controls() -> list[tuple[int, str]]:
    """Return one sentence for each request that was tried several times and is still not enforced."""
    asked = ControlRequest.objects.filter(
        session__ended_at=None, enforced_at=None, dropped_at=None, attempts__gte=MANY_ATTEMPTS
    ).select_related("session")
    return [
        (
            one.session_id,
            f"Session {one.session_id} on {one.session.resource_name}: {one.get_kind_display()} is not in force, tried "
            f"{one.attempts} times: {one.last_error}",
        )
        for one in asked.order_by("pk")[:MOST_SESSIONS]
    ]
