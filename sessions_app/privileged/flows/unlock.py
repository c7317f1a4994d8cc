"""Unlock one session."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from sessions_app.errors import Refused
from sessions_app.people.models import AccountLock
from sessions_app.permission import lock_account_row
from sessions_app.privileged import policy
from sessions_app.privileged.flows.apply_lock import lift_lock
from sessions_app.privileged.flows.permission import lock_session_row, require
from sessions_app.privileged.models import ControlKind, PrivilegedSession

LOCKED_AGAIN = "It was locked once more since then. Look why, and unlock it from its page if that is right."


def unlock(actor: AbstractUser, session: PrivilegedSession, *, newest_lock: int | None = None) -> None:
    """Lift the lock of this session.

    `newest_lock` is the number of a lock's control request; a newer lock is not lifted. Raise Refused then, if the
    session is not locked, or if its whole account is locked.
    """
    with transaction.atomic():
        lock_account_row(session.user)
        lock_session_row(session)
        require(actor, session, "unlock")
        if AccountLock.objects.in_force().filter(user_id=session.user_id).exists():
            raise Refused(policy.ACCOUNT_IS_LOCKED)
        locks = session.controls.filter(kind=ControlKind.LOCK)
        if newest_lock is not None and locks.filter(pk__gt=newest_lock).exists():
            raise Refused(LOCKED_AGAIN)
        lift_lock(session, actor=actor)
