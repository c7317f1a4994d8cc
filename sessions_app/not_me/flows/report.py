"""Report that a login was not one's own: cut what it opened, in steps that each say what they did."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Protocol

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractUser
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.outage import Outage
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.not_me import mail
from sessions_app.not_me.flows import steps
from sessions_app.not_me.models import NotMeReport
from sessions_app.permission import lock_account_row
from sessions_app.privileged.flows.lockdown import CARRY_OUT_TIME, LockdownStep

logger = logging.getLogger(__name__)


class Step(Protocol):
    """One step, for an account and the time since when its login was not the person's own."""

    __name__: str

    def __call__(self, user: AbstractUser, since: dt.datetime, /) -> list[LockdownStep]:
        """Do it, and return the sentences about it."""


def report_of(login: LoginSession) -> NotMeReport | None:
    """Return the report that covers this login: its own, or one that the person made since it began."""
    reports = NotMeReport.objects.filter(user_id=login.user_id, made_at__gte=login.created_at)
    return reports.select_related("user", "login__user").order_by("-pk").first()


def report(login: LoginSession, *, is_by_link: bool) -> tuple[NotMeReport, bool]:
    """Do everything that the button “This wasn't me” does. Return the report, and whether this call made it.

    1. The logouts, the void password and the revoked tickets are one transaction: all of it is accepted, or nothing is
    changed.

    2. Each further step has transactions of its own, so that one that fails does not prevent the others. A worker does
    what an outage prevents.

    A login is reported once; of two people with the same link the second one changes nothing. Raise the database's
    error if the report could not be accepted.
    """
    made, is_new = _accept(login, is_by_link)
    if is_new:
        carry_out(made)
    return made, is_new


@retry_while_unavailable
def _accept(login: LoginSession, is_by_link: bool) -> tuple[NotMeReport, bool]:
    with transaction.atomic():
        user = lock_account_row(login.user)
        if (before := report_of(login)) is not None:
            return before, False
        ended = service.end_all(user, EndReason.NOT_ME, actor=user)
        lines = [LockdownStep(True, f"Logged out of {steps.counted(ended, 'browser')}. Their open terminals close.")]
        void = user.password if user.has_usable_password() else ""
        if void:
            # Not by save(): what is logged about a changed password is not what happens here.
            type(user)._default_manager.filter(pk=user.pk).update(password=make_password(None))
        lines += [steps.about_password(user, login, is_void=bool(void), is_by_link=is_by_link), steps.tickets(user)]
        made = NotMeReport.objects.create(
            login=login,
            user_id=user.pk,
            is_by_link=is_by_link,
            void_password=void,
            lines=[[line.ok, line.text] for line in lines],
        )
        how = "by the link of a mail" if is_by_link else "on a page of the console"
        log.record(
            Verb.LOGIN_NOT_ME,
            f"{user.get_username()} said {how}: the login {login} was not mine",
            user=user,
            target=login,
            level=Level.ERROR,
            details={"lines": made.lines},
        )
    return made, True


def unfinished(now: dt.datetime) -> list[NotMeReport]:
    """Return accepted reports that nobody carries out any more, oldest first."""
    late = NotMeReport.objects.filter(done_at=None, made_at__lt=now - CARRY_OUT_TIME)
    return list(late.select_related("user", "login__user").order_by("pk"))


def carry_out(made: NotMeReport) -> None:
    """Do what is left of an accepted report, tell the administrators once, and keep what was done in its lines.

    It may be called again after an outage.
    """
    since = made.login.created_at
    work: tuple[Step, ...] = (
        steps.keys,
        steps.factors,
        steps.identities,
        steps.devices,
        steps.sessions,
        steps.certificates,
    )
    lines = [LockdownStep(*line) for line in made.lines]
    try:
        for step in work:
            lines += _done(step, made, since)
        if not _finish(made, lines):
            return
    except (DatabaseError, InterfaceError) as error:
        outage = Outage.of(error)
        if outage is None:
            raise
        logger.warning("The report of %s is not finished; a worker goes on with it", made.user, exc_info=error)
        rest = f"The rest is not done yet. {outage.heading}; a worker goes on with it by itself."
        made.lines = [[line.ok, line.text] for line in [*lines, LockdownStep(False, rest)]]
        return
    _tell(made, lines)


def _done(step: Step, made: NotMeReport, since: dt.datetime) -> list[LockdownStep]:
    """Do one step. Raise the error of an outage, after which a worker does all of them again."""
    try:
        return step(made.user, since)
    except Exception as error:
        if Outage.of(error) is not None:
            raise
        # A fault of ours in one step must keep neither the others nor the alert from an emergency.
        logger.exception("A step of the report of %s failed: %s", made.user, step.__name__)
        text = f"One step failed ({step.__name__}). The administrators read it in their e-mail and in the log."
        return [LockdownStep(False, text)]


@retry_while_unavailable
def _finish(made: NotMeReport, lines: list[LockdownStep]) -> bool:
    """Note that the report is carried out. Return False if another process did it first."""
    made.lines = [[line.ok, line.text] for line in lines]
    with transaction.atomic():
        now = timezone.now()
        if not NotMeReport.objects.filter(pk=made.pk, done_at=None).update(done_at=now, lines=made.lines):
            return False
        log.record(
            Verb.LOGIN_NOT_ME,
            f"After the report of {made.user.get_username()}: " + " ".join(line.text for line in lines),
            user=made.user,
            target=made.login,
            level=Level.ERROR,
            details={"lines": made.lines},
        )
    return True


def _tell(made: NotMeReport, lines: list[LockdownStep]) -> None:
    """Send the mails, outside of any transaction, and add to the lines what became of them."""
    name = made.user.get_username()
    how = (
        f"{name} said {'by the link of a mail' if made.is_by_link else 'in the console'} that this login was not theirs"
    )
    told = mail.alert_administrators(made.login, how, [line.text for line in lines])
    lines.append(steps.about_administrators(told))
    if made.void_password and not made.is_by_link and made.user.email:
        is_sent = mail.send_password_link(made.login)
        lines.append(steps.about_password_link(is_sent=is_sent))
    made.lines = [[line.ok, line.text] for line in lines]
    NotMeReport.objects.filter(pk=made.pk).update(lines=made.lines)
