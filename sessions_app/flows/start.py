"""Whether a session that got its request may begin now; the worker asks before it gives rights, and again after."""

from __future__ import annotations

from sessions_app import policy
from sessions_app.flows.facts import Request, wanted_of
from sessions_app.models import PrivilegedSession


def why_not_start(session: PrivilegedSession) -> str:
    """A sentence when account, resource, activity or policy stand against it by now; empty when it may begin."""
    request = Request(actor_id=session.requested_by_id, user=session.user, activity=session.activity)
    [(wanted, _)] = wanted_of(request, [session.resource])
    return policy.may_start(wanted)
