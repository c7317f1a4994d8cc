"""Lock and unlock a whole account: its logins, its live sessions and its new ones."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.logins import service
from sessions_app.logins.models import EndReason
from sessions_app.people.models import AccountLock
from sessions_app.permission import clean_text, lock_account_row, require_administrator
from sessions_app.privileged.flows.apply_lock import apply_lock, lift_lock
from sessions_app.privileged.flows.control import start_canceling
from sessions_app.privileged.models import PrivilegedSession, Status


@retry_while_unavailable
def lock_account(actor: AbstractUser, user: AbstractUser, *, title: str, message: str = "") -> AccountLock:
    """Lock the account of `user`.

    1. Write the lock: nobody can log in to the account, and none of its sessions begins.

    2. End its login sessions.

    3. Lock its live sessions. A session that is being provisioned is canceled, because it must not become available.
    Gateways cut its connections because of the lock (gateway/enforcement.py).

    Raise Refused if the account is locked already or is one's own, and Forbidden without permission.
    """
    require_administrator(actor)
    if actor.pk == user.pk:
        raise Refused("You cannot lock your own account. Ask another administrator.")
    title = clean_text(title, "title", 120, required="Enter a title; the user sees it.")
    message = clean_text(message, "message", 500)
    with transaction.atomic():
        lock_account_row(user)
        existing = AccountLock.objects.in_force().filter(user_id=user.pk).first()
        if existing is not None:
            raise Refused(f"The account {user.get_username()} is locked already: {existing.title}.")
        lock = AccountLock.objects.create(user_id=user.pk, title=title, message=message, locked_by_id=actor.pk)
        log.record(
            Verb.ACCOUNT_LOCKED,
            f"{actor.get_username()} locked the account {user.get_username()}: {title}",
            actor=actor,
            user=user,
            target=user,
            level=Level.WARNING,
            details={"title": title, "message": message},
        )
        service.end_all(user, EndReason.LOCKED, actor=actor, note=title)
        for session in _sessions_for_update(user, Status.AVAILABLE, Status.LOGGED_IN, Status.PROVISIONING):
            if session.status == Status.PROVISIONING:
                start_canceling(session, Status.CANCELED, f"The account was locked: {title}", actor=actor)
            else:
                apply_lock(session, actor=actor, title=title, message=message, account_lock=lock)
    return lock


def unlock_account(actor: AbstractUser, user: AbstractUser, *, lock_id: int | None = None) -> None:
    """Lift the lock, and unlock the sessions that were locked with it.

    With `lock_id` only that lock is lifted. Sessions that were locked separately stay locked. Raise Refused if the
    account is not locked, or by another lock, and Forbidden without permission.
    """
    require_administrator(actor)
    with transaction.atomic():
        lock_account_row(user)
        lock = AccountLock.objects.in_force().filter(user_id=user.pk).first()
        if lock is None:
            raise Refused(f"The account {user.get_username()} is not locked.")
        if lock_id not in (None, lock.pk):
            raise Refused(f"The account {user.get_username()} was locked once more since then: {lock.title}.")
        AccountLock.objects.filter(pk=lock.pk).update(lifted_at=timezone.now(), lifted_by_id=actor.pk)
        log.record(
            Verb.ACCOUNT_UNLOCKED,
            f"{actor.get_username()} unlocked the account {user.get_username()}",
            actor=actor,
            user=user,
            target=user,
        )
        for session in _sessions_for_update(user, Status.LOCKED):
            if session.account_lock_id:
                lift_lock(session, actor=actor)


def _sessions_for_update(user: AbstractUser, *statuses: Status) -> list[PrivilegedSession]:
    """Return the account's sessions in these statuses, with their rows locked until the transaction ends."""
    sessions = PrivilegedSession.objects.filter(user_id=user.pk, status__in=statuses).select_related("user")
    return list(sessions.select_for_update(of=("self",)).order_by("pk"))
