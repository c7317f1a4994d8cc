"""Which role may change anything at all, for the flows of every subject. Knows no session."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser

from activity.text import plain
from sessions_app.errors import Forbidden, Refused
from sessions_app.roles import is_administrator, sees_everything


def hold_account(user: AbstractUser) -> AbstractUser:
    """Let one flow at a time decide about this account: requests, locks and cuts wait for each other here.

    Always before `hold(session)`, so that two flows never wait for each other crosswise. The account as it is now.
    """
    return get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)


AUDITORS_CHANGE_NOTHING = "Auditors read everything and change nothing."
ADMINISTRATORS_ONLY = "Only administrators may do this."


def administrator_refusal(*, is_administrator: bool, is_auditor_only: bool) -> str:
    """Return why this role may not do what only administrators do; empty when it may."""
    if is_auditor_only:
        return AUDITORS_CHANGE_NOTHING
    return "" if is_administrator else ADMINISTRATORS_ONLY


def require_administrator(actor: AbstractUser) -> None:
    """Raise Forbidden unless `actor` is an administrator."""
    if reason := administrator_refusal(**viewer_of(actor)):
        raise Forbidden(reason)


def viewer_of(actor: AbstractUser) -> dict[str, bool]:
    """The role as the rules of privileged/policy.py want it."""
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
