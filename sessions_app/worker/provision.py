"""Begin sessions: when their scheduled time has come, give the rights."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from activity.models import Level
from activity.times_in_text import time_value
from activity.verbs import Verb
from sessions_app.catalogue.connectors import Connector, ConnectorError, UnknownConnector
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows import mail
from sessions_app.privileged.flows.approvers import missing_tier
from sessions_app.privileged.flows.control import start_canceling
from sessions_app.privileged.flows.permission import lock_session_row
from sessions_app.privileged.flows.require_approval import adopt_policy, ask_missing_tier, why_approval_is_missing
from sessions_app.privileged.flows.start_check import InTheWay, in_the_way, why_not_start
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker.lease import renewed_lease
from sessions_app.worker.step import StepContext

# With the pauses of retry.py ten tries take about nine minutes.
PROVISION_ATTEMPTS = 10
LOOK_AGAIN = dt.timedelta(seconds=5)  # while another session for the same work is being ended


def start_scheduled(context: StepContext) -> None:
    """Begin to provision a session whose scheduled time has come.

    It is canceled instead when account, resource or policy do not allow it any more, and waits when it needs an
    approval by now.
    """
    session = context.session
    with transaction.atomic():
        lock_session_row(session)
        if session.status != Status.PENDING:
            return
        is_due = session.scheduled_for is not None and session.scheduled_for <= context.now()
        other = in_the_way(session, context.now()) if is_due else None
        if _waits_for(context, other):
            return
        if reason := why_not_start(session) or (other.reason if other is not None else ""):
            lifecycle.transition(
                session,
                Status.CANCELED,
                Verb.SESSION_CANCELED,
                f"Canceled instead of started: {reason}",
                level=Level.WARNING,
                end_reason=reason[:300],
            )
            mail.tell_people(session, "Canceled", reason)
        elif is_due:
            adopt_policy(session)
            if tier := missing_tier(session):
                ask_missing_tier(session, tier)
                return
            lifecycle.transition(session, Status.PROVISIONING, Verb.SESSION_PROVISIONING, "The scheduled time has come")


def provision(context: StepContext) -> None:
    """Give the rights on the resource.

    1. Nothing is given when account, resource or policy do not allow it any more, or when an approval is missing by
    now.

    2. The attempt is counted before the resource is touched, so that "no attempt" means "nothing can be there".

    3. The rights are given outside any transaction, because this may take long. It may be repeated.

    4. Start and End are noted. When somebody ended the session meanwhile, or locked the account, its status is
    `canceling`, and the next step takes the rights away.
    """
    session = context.session
    if session.attempts == 0 and _waits_for(context, in_the_way(session, context.now())):
        return
    if not _may_begin(session, context.now()):
        return
    try:
        connector = context.connector()
    except UnknownConnector as error:
        _give_up(context, error)
        return
    if session.attempts >= PROVISION_ATTEMPTS:
        _give_up(context, session.last_error or "Provisioning was interrupted again and again.")
        return
    if session.attempts == 0:
        context.record(Verb.SESSION_PROVISIONING, f"Giving rights to {session.login_account}")
    before = session.attempts
    if not context.set(attempts=before + 1):
        raise lifecycle.Overtaken("The session was changed before its rights were given.")
    try:
        with renewed_lease(session.pk, context.owner):
            connector.grant(context.grant(), context.say)
    except ConnectorError as error:
        if error.permanent or session.attempts >= PROVISION_ATTEMPTS:
            _give_up(context, error)
        else:
            session.attempts = before  # because failed() counts this attempt
            context.failed(error, "Rights were not given")
        return
    _note_available(context, connector)


def _waits_for(context: StepContext, other: InTheWay | None) -> bool:
    """Return whether the session waits until another one has lost its rights. Then it is looked at again soon."""
    if other is None or not other.is_ending:
        return False
    if context.session.next_attempt_at is None:
        context.record(Verb.SESSION_PROVISIONING, f"It waits for the end of another session: {other.reason}")
    context.set(next_attempt_at=context.now() + LOOK_AGAIN)
    return True


def _may_begin(session: PrivilegedSession, now: dt.datetime) -> bool:
    """Return whether account, resource and policy still allow the session.

    When they do not, its rights are being taken away, and the reason is noted.
    """
    with transaction.atomic():
        lock_session_row(session)
        if session.status != Status.PROVISIONING:
            return False
        other = in_the_way(session, now)
        reason = why_not_start(session) or (other.reason if other is not None else "")
        if not reason:
            adopt_policy(session)
            reason = why_approval_is_missing(session)
        if not reason:
            return True
        start_canceling(session, Status.CANCELED, reason, level=Level.WARNING)
        mail.tell_people(session, "Canceled", reason)
        return False


def _note_available(context: StepContext, connector: Connector) -> None:
    session = context.session
    with transaction.atomic():
        lock_session_row(session)
        if session.status == Status.PROVISIONING:
            if not _may_begin(session, context.now()):
                return
            now = context.now()
            lifecycle.transition(
                session,
                Status.AVAILABLE,
                Verb.SESSION_AVAILABLE,
                f"The session is available until {time_value(now + session.maximum_duration)}",
                start_at=now,
                end_at=now + session.maximum_duration,
                is_logged_on=False,
                next_monitor_at=None,
            )
    if session.is_ended:
        # This worker stood still for longer than its lease, and another one finished the step.
        context.record(Verb.WORKER_PROBLEM, "Rights were given too late and are taken away at once", Level.WARNING)
        try:
            connector.revoke(context.grant(), context.say)
        except ConnectorError as error:
            where = f"{session.login_account} on {session.resource_name}"
            context.record(Verb.WORKER_PROBLEM, f"Take the rights of {where} away by hand: {error}", Level.ERROR)


def _give_up(context: StepContext, why: ConnectorError | str) -> None:
    """Let the session fail, after taking back what may have been given."""
    session = context.session
    message = f"Provisioning failed: {why}"
    if session.attempts == 0:
        lifecycle.transition(
            session,
            Status.FAILED,
            Verb.SESSION_FAILED,
            f"{message} Nothing had been given.",
            level=Level.ERROR,
            end_reason=message[:300],
        )
    else:
        start_canceling(session, Status.FAILED, message, level=Level.ERROR)
    mail.tell_people(session, "Failed", message)
