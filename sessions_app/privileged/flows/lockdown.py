"""Cut everything of one account: the account itself, its logins, live sessions, requests and scheduled sessions."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.outage import Outage
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.people.models import AccountLock, AccountLockdown
from sessions_app.permission import clean_text, lock_account_row, require_administrator
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.lifecycle import LifecycleError
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession, Status

logger = logging.getLogger(__name__)

DEFAULT_REASON = "Everything was cut"
CARRY_OUT_TIME = dt.timedelta(seconds=60)  # for the process that accepted it, before a worker continues


@dataclass(frozen=True, slots=True)
class LockdownStep:
    """One sentence about what was done, or about what was not done and why."""

    ok: bool
    text: str


def lock_down(actor: AbstractUser, user: AbstractUser, *, reason: str = "") -> list[LockdownStep]:
    """Lock the account of `user`, log it out everywhere, and terminate and cancel all its sessions.

    Return what was done.

    1. The lock, the logouts and the request to cut the rest are one transaction: all of it is accepted, or nothing is
    changed.

    2. Each session has a transaction of its own, so that one that refuses does not keep the others alive. The account
    is locked first, so nothing new can begin. A worker does what an outage prevents.

    Raise Refused without any change if it is one's own account or the person may not cut it, and the database's error
    if the request could not be accepted.
    """
    require_administrator(actor)
    if actor.pk == user.pk:
        raise Refused("You cannot cut your own account. Ask another administrator.")
    return carry_out(_accept(actor, user, clean_text(reason, "reason", 120) or DEFAULT_REASON))


@retry_while_unavailable
def _accept(actor: AbstractUser, user: AbstractUser, reason: str) -> AccountLockdown:
    with transaction.atomic():
        lock_account_row(user)
        logins = LoginSession.objects.live().filter(user_id=user.pk).count()
        lines = [_lock(actor, user, reason)]
        # A new lock has ended the logins. If the account was locked before, logins that began since are ended here.
        service.end_all(user, EndReason.LOCKED, actor=actor, note=reason)
        lines.append(LockdownStep(True, f"Logged out of {logins} browser{'' if logins == 1 else 's'}."))
        done = [[line.ok, line.text] for line in lines]
        return AccountLockdown.objects.create(user_id=user.pk, requested_by_id=actor.pk, reason=reason, lines=done)


def unfinished(now: dt.datetime) -> list[AccountLockdown]:
    """Return accepted cuts that nobody carries out any more, oldest first."""
    late = AccountLockdown.objects.filter(done_at=None, accepted_at__lt=now - CARRY_OUT_TIME)
    return list(late.select_related("user", "requested_by").order_by("pk"))


def carry_out(cut: AccountLockdown) -> list[LockdownStep]:
    """Do what is left of an accepted cut, and log it once. Return what is done and what is not.

    It may be called again. It is carried out even if the person who asked for it is no administrator any more.
    """
    lines = [LockdownStep(*line) for line in cut.lines]
    sessions = PrivilegedSession.objects.filter(user_id=cut.user_id).not_ended().select_related("user", "profile")
    try:
        for session in sessions.order_by("pk"):
            lines.append(_end_session(cut.requested_by, session))
        _finish(cut, lines)
    except (DatabaseError, InterfaceError) as error:
        outage = Outage.of(error)
        if outage is None:
            raise
        logger.warning("The cut of %s is not finished; a worker goes on with it", cut.user, exc_info=error)
        lines.append(
            LockdownStep(False, f"The rest is not done yet. {outage.heading}; a worker goes on with it by itself.")
        )
    return lines


@retry_while_unavailable
def _finish(cut: AccountLockdown, lines: list[LockdownStep]) -> None:
    with transaction.atomic():
        if not AccountLockdown.objects.filter(pk=cut.pk, done_at=None).update(done_at=timezone.now()):
            return
        log.record(
            Verb.ACCOUNT_CUT,
            f"{cut.requested_by.get_username()} cut everything of {cut.user.get_username()}: {cut.reason}",
            actor=cut.requested_by,
            user=cut.user,
            target=cut.user,
            level=Level.WARNING,
            details={"lines": [[line.ok, line.text] for line in lines]},
        )


def _lock(actor: AbstractUser, user: AbstractUser, reason: str) -> LockdownStep:
    try:
        lock_account(actor, user, title=reason)
    except Refused:
        if AccountLock.objects.in_force().filter(user_id=user.pk).exists():
            return LockdownStep(True, "The account was locked already.")
        raise
    return LockdownStep(True, "Locked the account; nobody can log in to it.")


def _end_session(actor: AbstractUser, session: PrivilegedSession, tries: int = 3) -> LockdownStep:
    """End one session in any status. Try again if the worker or another person changes it at the same time."""
    try:
        if session.status == Status.CANCELING:
            return LockdownStep(True, f"{session}: its rights were being taken away already.")
        if session.status in HOLDS_GRANT:
            terminate(actor, session, is_accepted=True)
            return LockdownStep(True, f"{session}: terminated, its rights are being taken away.")
        end(actor, session, is_accepted=True)
        return LockdownStep(
            True, f"{session}: {'canceled' if session.is_ended else 'its rights are being taken away'}."
        )
    except (Refused, LifecycleError) as error:
        session.refresh_from_db()
        if session.is_ended:
            return LockdownStep(True, f"{session}: it has ended.")
        if tries > 1:
            return _end_session(actor, session, tries - 1)
        return LockdownStep(False, f"{session}: {error}")
