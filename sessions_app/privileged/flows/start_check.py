"""Checks whether a session may begin now, and whether an open session still has a right. The worker calls both."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

from django.db.models import Q

from activity.times_in_text import time_value
from sessions_app.catalogue.models import AccessPolicy
from sessions_app.privileged import policy
from sessions_app.privileged.flows.bookings import booking_of
from sessions_app.privileged.flows.policy_inputs import Request, policy_inputs_of
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession, Status
from sessions_app.privileged.policy import PolicyInputs
from sessions_app.privileged.rights import without_right


def why_not_start(session: PrivilegedSession) -> str:
    """Return as a sentence what prevents the start by now; an empty string if the session may begin."""
    return policy.why_start_refused(_facts(session)[0])


@dataclasses.dataclass(frozen=True, slots=True)
class InTheWay:
    """The user's other session for the same work that still has its rights when this one should begin."""

    reason: str
    is_ending: bool  # its rights are about to be taken away, so that it is worth while to wait


def in_the_way(session: PrivilegedSession, now: dt.datetime) -> InTheWay | None:
    """Return what has to end before the session can begin; None if nothing has to.

    Of two that are being provisioned at the same time the older one goes on.
    """
    others = PrivilegedSession.objects.filter(
        Q(status__in=[*sorted(HOLDS_GRANT), Status.CANCELING]) | Q(status=Status.PROVISIONING, pk__lt=session.pk),
        ended_at=None,
        user_id=session.user_id,
        activity_id=session.activity_id,
        resource_id=session.resource_id,
    ).exclude(pk=session.pk)
    found = [
        InTheWay(
            f"{policy.already_has(session.user_name, booking_of(other, now, time_value))} for the same work on "
            f"{session.resource_name}.",
            other.status == Status.CANCELING or (other.end_at is not None and other.end_at <= now),
        )
        for other in others.order_by("pk")
    ]
    return min(found, key=lambda one: one.is_ending, default=None)


def why_right_is_gone(session: PrivilegedSession) -> str:
    """Return as a sentence why the policy would not allow the open session any more; an empty string if it would."""
    if not PrivilegedSession.objects.filter(without_right(), pk=session.pk).exists():
        return ""
    return policy.why_right_withdrawn(_facts(session)[0])


def mark_without_right(sessions: Sequence[PrivilegedSession]) -> None:
    """Set `right_gone` of the sessions that the policy would not allow any more, with one query for all."""
    found = PrivilegedSession.objects.filter(without_right(), pk__in=[one.pk for one in sessions]).order_by()
    gone = set(found.values_list("pk", flat=True))
    for session in sessions:
        session.right_gone = policy.RIGHT_IS_GONE if session.pk in gone else ""


def _facts(session: PrivilegedSession) -> tuple[PolicyInputs, AccessPolicy | None]:
    """Return the inputs of the decision if the session were requested now, and the policy that would allow it."""
    request = Request(actor_id=session.requested_by_id, user=session.user, activity=session.activity)
    [found] = policy_inputs_of(request, [session.resource])
    return found
