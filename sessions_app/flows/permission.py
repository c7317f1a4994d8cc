"""What every flow begins with: hold the row, and ask policy whether this person may."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet

from activity.text import plain
from sessions_app import policy
from sessions_app.flows.errors import Forbidden, Refused
from sessions_app.flows.start import why_right_is_gone
from sessions_app.models import PrivilegedSession
from sessions_app.roles import is_administrator, sees_everything

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


def hold_account(user: AbstractUser) -> AbstractUser:
    """Let one flow at a time decide about this account: requests, locks and cuts wait for each other here.

    Always before `hold(session)`, so that two flows never wait for each other crosswise. The account as it is now.
    """
    return get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)


def require(actor: AbstractUser, session: PrivilegedSession, verb: str, *, is_accepted: bool = False) -> None:
    """Raise Refused with policy's reason unless `actor` may do `verb` with the session now (Forbidden: never).

    `is_accepted`: the role was asked when somebody's order was accepted, and what became of it since does not count.
    """
    viewer = ADMINISTRATOR if is_accepted else viewer_of(actor)
    if reason := policy.role_refusal(verb, **viewer):
        raise Forbidden(reason)
    awaits_me = verb in ("approve", "deny") and PrivilegedSession.objects.awaiting(actor).filter(pk=session.pk).exists()
    right_gone = why_right_is_gone(session) if verb == "extend" else ""
    reasons = policy.refusals(session, viewer_id=actor.pk, awaits_me=awaits_me, right_gone=right_gone, **viewer)
    if verb in reasons:
        raise (Forbidden if reasons[verb] == policy.AUDITORS_CHANGE_NOTHING else Refused)(reasons[verb])


def require_administrator(actor: AbstractUser) -> None:
    """Raise Forbidden unless `actor` is an administrator."""
    if not is_administrator(actor):
        raise Forbidden(policy.role_refusal("lock", **viewer_of(actor)))


def viewer_of(actor: AbstractUser) -> dict[str, bool]:
    """The role as the rules of policy.py want it."""
    administers = is_administrator(actor)
    return {"is_administrator": administers, "is_auditor_only": not administers and sees_everything(actor)}


def text(value: str, field: str, limit: int, *, required: str = "") -> str:
    """Return `value` as plain() has it: on one line, without what nobody sees. Raises Refused for the field when it is
    too long, or missing with `required` as the reason."""
    value = plain(value)
    if required and not value:
        raise Refused(required, field=field)
    if len(value) > limit:
        raise Refused(f"This text is too long: {len(value)} characters, at most {limit} fit.", field=field)
    return value
