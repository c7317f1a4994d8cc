"""How a session begins: the scheduled time comes, then rights are given."""

from __future__ import annotations

from django.db import transaction

from activity.models import Level
from activity.verbs import Verb
from sessions_app.catalogue.connectors import Connector, ConnectorError, UnknownConnector
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows import mail
from sessions_app.privileged.flows.approvers import missing_tier
from sessions_app.privileged.flows.control import take_away
from sessions_app.privileged.flows.permission import hold
from sessions_app.privileged.flows.require_approval import adopt_policy, ask_again, why_approval_is_missing
from sessions_app.privileged.flows.start_check import why_not_start
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker.lease import kept
from sessions_app.worker.step import Visit

# With the pauses of retry.py ten tries take about nine minutes.
PROVISION_ATTEMPTS = 10


def start_scheduled(visit: Visit) -> None:
    """The time has come: provision it, cancel it when account, resource or policy stand against it by now, or let it
    wait for an approval that is required by now."""
    session = visit.session
    with transaction.atomic():
        hold(session)
        if session.status != Status.PENDING:
            return
        if reason := why_not_start(session):
            lifecycle.transition(
                session,
                Status.CANCELED,
                Verb.SESSION_CANCELED,
                f"Canceled instead of started: {reason}",
                level=Level.WARNING,
                end_reason=reason[:300],
            )
            mail.tell_people(session, "Canceled", reason)
        elif session.scheduled_for is not None and session.scheduled_for <= visit.now():
            adopt_policy(session)
            if tier := missing_tier(session):
                ask_again(session, tier)
                return
            lifecycle.transition(session, Status.PROVISIONING, Verb.SESSION_PROVISIONING, "The scheduled time has come")


def provision(visit: Visit) -> None:
    """Give the rights.

    1. Nothing is given when account, resource or policy stand against it by now, or an approval is missing by now.
    2. The attempt is counted before the resource is touched, so that "no attempt" means "nothing can be there".
    3. The rights are given outside any transaction; this may take long, and may be repeated.
    4. Start and End are noted. Who ended the session meanwhile wins: it is `canceling`, and the next step takes the
       rights away. So it is when the account was locked meanwhile.
    """
    session = visit.session
    if not _may_begin(session):
        return
    try:
        connector = visit.connector()
    except UnknownConnector as error:
        _give_up(visit, error)
        return
    if session.attempts >= PROVISION_ATTEMPTS:
        _give_up(visit, session.last_error or "Provisioning was interrupted again and again.")
        return
    if session.attempts == 0:
        visit.record(Verb.SESSION_PROVISIONING, f"Giving rights to {session.login_account}")
    before = session.attempts
    if not visit.set(attempts=before + 1):
        raise lifecycle.Overtaken("The session was changed before its rights were given.")
    try:
        with kept(session.pk, visit.owner):
            connector.grant(visit.grant(), visit.say)
    except ConnectorError as error:
        if error.permanent or session.attempts >= PROVISION_ATTEMPTS:
            _give_up(visit, error)
        else:
            session.attempts = before  # failed() counts this attempt
            visit.failed(error, "Rights were not given")
        return
    _note_available(visit, connector)


def _may_begin(session: PrivilegedSession) -> bool:
    """Compare everything with what is true by now. False: the session is being taken away, with the reason."""
    with transaction.atomic():
        hold(session)
        if session.status != Status.PROVISIONING:
            return False
        reason = why_not_start(session)
        if not reason:
            adopt_policy(session)
            reason = why_approval_is_missing(session)
        if not reason:
            return True
        take_away(session, Status.CANCELED, reason, level=Level.WARNING)
        mail.tell_people(session, "Canceled", reason)
        return False


def _note_available(visit: Visit, connector: Connector) -> None:
    session = visit.session
    with transaction.atomic():
        hold(session)
        if session.status == Status.PROVISIONING:
            if not _may_begin(session):
                return
            now = visit.now()
            lifecycle.transition(
                session,
                Status.AVAILABLE,
                Verb.SESSION_AVAILABLE,
                f"The session is available until {now + session.maximum_duration:%Y-%m-%d %H:%M} UTC",
                start_at=now,
                end_at=now + session.maximum_duration,
                is_logged_on=False,
                next_monitor_at=None,
            )
    if session.is_ended:
        # This worker stood still for longer than its lease, and another one finished without it.
        visit.record(Verb.WORKER_PROBLEM, "Rights were given too late and are taken away at once", Level.WARNING)
        try:
            connector.revoke(visit.grant(), visit.say)
        except ConnectorError as error:
            where = f"{session.login_account} on {session.resource_name}"
            visit.record(Verb.WORKER_PROBLEM, f"Take the rights of {where} away by hand: {error}", Level.ERROR)


def _give_up(visit: Visit, why: ConnectorError | str) -> None:
    """Fail; what may have been given is taken back first."""
    session = visit.session
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
        take_away(session, Status.FAILED, message, level=Level.ERROR)
    mail.tell_people(session, "Failed", message)
