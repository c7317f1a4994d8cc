"""The status changes of every lock and unlock, of one session or of a whole account. Checks no permission."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity.models import Level
from activity.verbs import Verb
from sessions_app.people.models import AccountLock
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows import control
from sessions_app.privileged.models import ControlKind, PrivilegedSession, Status


def apply_lock(
    session: PrivilegedSession,
    *,
    actor: AbstractUser,
    title: str,
    message: str,
    account_lock: AccountLock | None = None,
) -> None:
    """Move a live session to `locked`, and request its lock on the resource."""
    whole = " with the whole account" if account_lock else ""
    with transaction.atomic():
        lifecycle.transition(
            session,
            Status.LOCKED,
            Verb.SESSION_LOCKED,
            f"{actor.get_username()} locked the session{whole}: {title}",
            actor=actor,
            level=Level.WARNING,
            details={"title": title, "message": message},
            lock_title=title,
            lock_message=message,
            account_lock=account_lock,
        )
        control.request_control(session, ControlKind.LOCK, actor=actor, title=title, message=message)


def lift_lock(session: PrivilegedSession, *, actor: AbstractUser) -> None:
    """Move a locked session back to the status that the resource last reported, and request its unlock there."""
    with transaction.atomic():
        lifecycle.transition(
            session,
            Status.LOGGED_IN if session.is_logged_on else Status.AVAILABLE,
            Verb.SESSION_UNLOCKED,
            f"{actor.get_username()} unlocked the session",
            actor=actor,
            lock_title="",
            lock_message="",
            account_lock=None,
        )
        control.request_control(session, ControlKind.UNLOCK, actor=actor)
