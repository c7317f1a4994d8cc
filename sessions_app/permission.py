"""Rules about roles that the flows of every subject use. Does not know sessions."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser

from activity.text import plain
from sessions_app.errors import Forbidden, Refused
from sessions_app.roles import is_administrator, sees_everything


def lock_account_row(user: AbstractUser) -> AbstractUser:
    """Lock the account's row, so that one flow at a time decides about the account. Return the current account.

    Always call this before the session's row is locked, so that two flows cannot deadlock.
    """
    return get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)


AUDITORS_CHANGE_NOTHING = "Auditors read everything and change nothing."
ADMINISTRATORS_ONLY = "Only administrators may do this."


def administrator_refusal(*, is_administrator: bool, is_auditor_only: bool) -> str:
    """Return why this role may not do what only administrators may do; an empty string if it may."""
    if is_auditor_only:
        return AUDITORS_CHANGE_NOTHING
    return "" if is_administrator else ADMINISTRATORS_ONLY


def require_administrator(actor: AbstractUser) -> None:
    """Raise Forbidden unless `actor` is an administrator."""
    if reason := administrator_refusal(**role_of(actor)):
        raise Forbidden(reason)


def role_of(actor: AbstractUser) -> dict[str, bool]:
    """Return the role as keyword arguments for the rules of privileged/policy.py."""
    administers = is_administrator(actor)
    return {"is_administrator": administers, "is_auditor_only": not administers and sees_everything(actor)}


def clean_text(value: str, field: str, limit: int, *, required: str = "") -> str:
    """Return `value` as one line without invisible characters, as plain() makes it.

    Raise Refused for `field` if it is longer than `limit`, or with the reason `required` if it is empty.
    """
    value = plain(value)
    if required and not value:
        raise Refused(required, field=field)
    if len(value) > limit:
        raise Refused(f"This text is too long: {len(value)} characters, at most {limit} fit.", field=field)
    return value
