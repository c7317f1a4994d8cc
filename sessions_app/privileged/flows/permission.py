"""What every flow begins with: hold the row, and ask policy whether this person may."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet

from sessions_app.errors import Forbidden, Refused
from sessions_app.permission import AUDITORS_CHANGE_NOTHING, role_of
from sessions_app.privileged import policy
from sessions_app.privileged.flows.start_check import why_right_is_gone
from sessions_app.privileged.models import PrivilegedSession

ADMINISTRATOR = {"is_administrator": True, "is_auditor_only": False}
RELATED = ("user", "requested_by", "resource", "activity", "profile")


def hold(session: PrivilegedSession) -> None:
    """Read `session` anew and keep others from changing it until this transaction ends.

    Call it first in the transaction, so that what is checked is still true when it is changed. SQLite's immediate
    transactions hold the whole database instead.
    """
    session.refresh_from_db(from_queryset=_held())


def held(session_id: int, related: Sequence[str] = RELATED) -> PrivilegedSession:
    """The session with this number, held in the same way, and with it what `related` names. Raises
    PrivilegedSession.DoesNotExist."""
    return _held(related).get(pk=session_id)


def _held(related: Sequence[str] = RELATED) -> QuerySet[PrivilegedSession]:
    return PrivilegedSession.objects.select_for_update(of=("self",)).select_related(*related)


def require(actor: AbstractUser, session: PrivilegedSession, verb: str, *, is_accepted: bool = False) -> None:
    """Raise Refused with policy's reason unless `actor` may do `verb` with the session now (Forbidden: never).

    `is_accepted`: the role was asked when somebody's order was accepted, and what became of it since does not count.
    """
    viewer = ADMINISTRATOR if is_accepted else role_of(actor)
    if reason := policy.role_refusal(verb, **viewer):
        raise Forbidden(reason)
    awaits_me = verb in ("approve", "deny") and PrivilegedSession.objects.awaiting(actor).filter(pk=session.pk).exists()
    right_gone = why_right_is_gone(session) if verb == "extend" else ""
    reasons = policy.refusals(session, viewer_id=actor.pk, awaits_me=awaits_me, right_gone=right_gone, **viewer)
    if verb in reasons:
        raise (Forbidden if reasons[verb] == AUDITORS_CHANGE_NOTHING else Refused)(reasons[verb])
