"""Checks whether a session may begin now, and whether an open session still has a right. The worker calls both."""

from __future__ import annotations

from collections.abc import Sequence

from sessions_app.catalogue.models import AccessPolicy
from sessions_app.privileged import policy
from sessions_app.privileged.flows.policy_inputs import Request, policy_inputs_of
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.privileged.policy import PolicyInputs
from sessions_app.privileged.rights import without_right


def why_not_start(session: PrivilegedSession) -> str:
    """Return as a sentence what prevents the start by now; an empty string if the session may begin."""
    return policy.why_start_refused(_facts(session)[0])


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
