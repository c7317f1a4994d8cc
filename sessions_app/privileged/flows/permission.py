"""The first steps of every flow: lock the row of the session, and check the permission by the policy."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet

from sessions_app.errors import Forbidden, NotAllowed
from sessions_app.permission import AUDITORS_CHANGE_NOTHING, role_of
from sessions_app.privileged import policy
from sessions_app.privileged.flows.start_check import why_right_is_gone
from sessions_app.privileged.models import PrivilegedSession

ADMINISTRATOR = {"is_administrator": True, "is_auditor_only": False}
RELATED = ("user", "requested_by", "resource", "activity", "profile")


def lock_session_row(session: PrivilegedSession) -> None:
    """Read `session` again, and lock its row until this transaction ends.

    Call it first in the transaction, so that what is checked is still true when it is changed. On SQLite the immediate
    transaction locks the whole database instead.
    """
    session.refresh_from_db(from_queryset=_sessions_for_update())


def locked_session(session_id: int, related: Sequence[str] = RELATED) -> PrivilegedSession:
    """Return the session with this number, with its row locked and the relations in `related` loaded.

    Raise PrivilegedSession.DoesNotExist.
    """
    return _sessions_for_update(related).get(pk=session_id)


def _sessions_for_update(related: Sequence[str] = RELATED) -> QuerySet[PrivilegedSession]:
    return PrivilegedSession.objects.select_for_update(of=("self",)).select_related(*related)


def require(actor: AbstractUser, session: PrivilegedSession, verb: str, *, is_accepted: bool = False) -> None:
    """Raise Refused with the policy's reason unless `actor` may do `verb` with the session now.

    Raise Forbidden if the role never allows it. `is_accepted` means that the role was checked when the order was
    accepted, so that a later change of the role does not count.
    """
    viewer = ADMINISTRATOR if is_accepted else role_of(actor)
    if reason := policy.role_refusal(verb, **viewer):
        raise Forbidden(reason)
    awaits_me = verb in ("approve", "deny") and PrivilegedSession.objects.awaiting(actor).filter(pk=session.pk).exists()
    right_gone = why_right_is_gone(session) if verb == "extend" else ""
    reasons = policy.refusals(session, viewer_id=actor.pk, awaits_me=awaits_me, right_gone=right_gone, **viewer)
    if verb in reasons:
        raise (Forbidden if reasons[verb] == AUDITORS_CHANGE_NOTHING else NotAllowed)(reasons[verb])
