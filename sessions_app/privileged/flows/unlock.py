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
from sessions_app.privileged.models import PrivilegedSession


def unlock(actor: AbstractUser, session: PrivilegedSession) -> None:
    """Lift the lock of this session. Raise Refused if it is not locked, or if its whole account is locked."""
    with transaction.atomic():
        lock_account_row(session.user)
        lock_session_row(session)
        require(actor, session, "unlock")
        if AccountLock.objects.in_force().filter(user_id=session.user_id).exists():
            raise Refused(policy.ACCOUNT_IS_LOCKED)
        lift_lock(session, actor=actor)
