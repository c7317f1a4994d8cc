"""Whether a session may begin now, and whether an open one still stands on a right; the worker asks both."""

from __future__ import annotations

from collections.abc import Sequence

from sessions_app.catalogue.models import AccessPolicy
from sessions_app.privileged import policy
from sessions_app.privileged.flows.policy_inputs import Request, wanted_of
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.privileged.policy import Wanted
from sessions_app.privileged.rights import without_right


def why_not_start(session: PrivilegedSession) -> str:
    """A sentence when account, resource, activity or policy stand against it by now; empty when it may begin."""
    return policy.may_start(_facts(session)[0])


def why_right_is_gone(session: PrivilegedSession) -> str:
    """A sentence when policy would not give the open session any more; empty while its right stands."""
    if not PrivilegedSession.objects.filter(without_right(), pk=session.pk).exists():
        return ""
    return policy.withdrawn(_facts(session)[0])


def mark_without_right(sessions: Sequence[PrivilegedSession]) -> None:
    """Set `right_gone` of those that policy would not give any more, with one query for all."""
    found = PrivilegedSession.objects.filter(without_right(), pk__in=[one.pk for one in sessions]).order_by()
    gone = set(found.values_list("pk", flat=True))
    for session in sessions:
        session.right_gone = policy.RIGHT_IS_GONE if session.pk in gone else ""


def _facts(session: PrivilegedSession) -> tuple[Wanted, AccessPolicy | None]:
    """What decides about the session if it were asked for now, and the policy that would give it."""
    request = Request(actor_id=session.requested_by_id, user=session.user, activity=session.activity)
    [found] = wanted_of(request, [session.resource])
    return found
