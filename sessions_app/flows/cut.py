"""Cut everything of one account: logins, live sessions, what is asked for and scheduled, and the account itself."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.flows.account import lock_account
from sessions_app.flows.end import end
from sessions_app.flows.errors import Refused
from sessions_app.flows.permission import require_administrator, text
from sessions_app.flows.terminate import terminate
from sessions_app.lifecycle import LifecycleError
from sessions_app.logins import recorder
from sessions_app.models import HOLDS_GRANT, AccountLock, EndReason, LoginSession, PrivilegedSession, Status

DEFAULT_REASON = "Everything was cut"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was done, or was not and why."""

    ok: bool
    text: str


def cut_everything(actor: AbstractUser, user: AbstractUser, *, reason: str = "") -> list[Line]:
    """Lock the account of `user`, log it out everywhere, terminate and cancel all its sessions; say what was done.

    Each step is a transaction of its own, in this order, so that what one session refuses never keeps the rest
    alive: with the account locked first, nothing new can begin meanwhile.
    Raises Refused, with nothing changed, when the person may not or it is their own account.
    """
    require_administrator(actor)
    if actor.pk == user.pk:
        raise Refused("Nobody cuts the account they are logged in to. Ask another administrator.")
    reason = text(reason, "reason", 120) or DEFAULT_REASON
    logins = LoginSession.objects.live().filter(user_id=user.pk).count()
    lines = [_lock(actor, user, reason)]
    # The lock ended them; when it stood already, whatever came in since ends here.
    recorder.end_all(user, EndReason.LOCKED, actor=actor)
    lines.append(Line(True, f"Logged out of {logins} browser{'' if logins == 1 else 's'}."))
    sessions = PrivilegedSession.objects.filter(user_id=user.pk).not_ended().select_related("user", "profile")
    lines += [_cut(actor, session) for session in sessions.order_by("pk")]
    log.record(
        Verb.ACCOUNT_CUT,
        f"{actor.get_username()} cut everything of {user.get_username()}: {reason}",
        actor=actor,
        user=user,
        target=user,
        level=Level.WARNING,
        details={"lines": [[line.ok, line.text] for line in lines]},
    )
    return lines


def _lock(actor: AbstractUser, user: AbstractUser, reason: str) -> Line:
    try:
        lock_account(actor, user, title=reason)
    except Refused:
        if AccountLock.objects.standing().filter(user_id=user.pk).exists():
            return Line(True, "The account was locked already.")
        raise
    return Line(True, "Locked the account; nobody can log in to it.")


def _cut(actor: AbstractUser, session: PrivilegedSession, tries: int = 3) -> Line:
    """End one session whatever its status; the worker or another person may move it meanwhile, so try again."""
    try:
        if session.status == Status.CANCELING:
            return Line(True, f"{session}: its rights were being taken away already.")
        if session.status in HOLDS_GRANT:
            terminate(actor, session)
            return Line(True, f"{session}: terminated, its rights are being taken away.")
        end(actor, session)
        return Line(True, f"{session}: {'canceled' if session.is_ended else 'its rights are being taken away'}.")
    except (Refused, LifecycleError) as error:
        session.refresh_from_db()
        if session.is_ended:
            return Line(True, f"{session}: it has ended.")
        if tries > 1:
            return _cut(actor, session, tries - 1)
        return Line(False, f"{session}: {error}")
