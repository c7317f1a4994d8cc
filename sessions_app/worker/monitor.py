"""Monitor sessions that hold rights: end them in time, announce the end, and see who is logged on."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from activity import log
from activity.models import Level, Outcome
from activity.times_in_text import time_value
from activity.verbs import Verb
from sessions_app.catalogue.connectors import ConnectorError, Presence
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows import mail
from sessions_app.privileged.flows.control import start_canceling
from sessions_app.privileged.flows.permission import lock_session_row
from sessions_app.privileged.flows.start_check import why_right_is_gone
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession, Status
from sessions_app.privileged.rights import loses_its_right
from sessions_app.worker import controls
from sessions_app.worker.lease import renewed_lease
from sessions_app.worker.step import StepContext


def look(context: StepContext) -> None:
    """End the session when it is over; else enforce requests, announce the end, and see who is logged on."""
    if _is_over(context):
        return
    controls.enforce(context)
    session = context.session
    if session.next_monitor_at is None or session.next_monitor_at <= context.now():
        again = _see_who_is_logged_on(context)
        if session.status not in HOLDS_GRANT:
            return
        _announce_end(context)
        _look_again(context, again)


def _is_over(context: StepContext) -> bool:
    """Return whether the session ends now, and begin to take its rights away.

    It ends when its End is reached, when the account is disabled, or when the right was withdrawn. An extension that
    was given meanwhile wins.
    """
    session = context.session
    with transaction.atomic():
        lock_session_row(session)
        if session.status not in HOLDS_GRANT:
            return True
        if not session.user.is_active:
            reason = f"The account {session.user_name} is disabled."
            start_canceling(session, Status.CANCELED, reason, level=Level.WARNING)
            return True
        if session.end_at is not None and session.end_at <= context.now():
            start_canceling(session, Status.COMPLETE, "The session reached its End")
            return True
        return _has_lost_its_right(session)


def _has_lost_its_right(session: PrivilegedSession) -> bool:
    """End a session that its policy does not give any more, unless the policy lets it run to its end."""
    if not PrivilegedSession.objects.filter(loses_its_right(), pk=session.pk).exists():
        return False
    reason = f"The right was withdrawn: {why_right_is_gone(session)}"
    start_canceling(session, Status.CANCELED, reason, level=Level.WARNING)
    mail.tell_people(session, "Ended", reason)
    return True


def _see_who_is_logged_on(context: StepContext) -> dt.datetime | None:
    """Ask the resource and let the status follow. Return when to ask again, if the resource says so."""
    session = context.session
    try:
        connector = context.connector()
        with renewed_lease(session.pk, context.owner):
            presence = connector.presence(context.grant())
    except ConnectorError as error:
        text = str(error)[:300]
        if text != session.last_error:
            context.record(Verb.CONNECTOR_STEP, f"Cannot see who is logged on: {text}", Level.WARNING, Outcome.FAILURE)
            context.set(last_error=text)
        return None
    if presence.is_logged_on is None:
        return presence.look_again_at
    if session.last_error:
        context.record(Verb.CONNECTOR_STEP, f"{session.resource_name} answers again")
        context.set(last_error="")
    if presence.has_ended:
        _note_ended(context)
    else:
        _follow(context, presence)
    return presence.look_again_at


def _note_ended(context: StepContext) -> None:
    """Begin to take the rights away when the resource ended the session before its End.

    This happens when an extension came too late at the resource. If somebody ended the session meanwhile, that is left
    as it is.
    """
    session = context.session
    with transaction.atomic():
        lock_session_row(session)
        if session.status in HOLDS_GRANT:
            reason = f"{session.resource_name} ended the session by itself before its End here"
            start_canceling(session, Status.COMPLETE, reason, level=Level.WARNING)


def _follow(context: StepContext, presence: Presence) -> None:
    """Let the status say what the resource says. A locked session stays locked."""
    session = context.session
    is_logged_on = bool(presence.is_logged_on)
    if is_logged_on == session.is_logged_on:
        return
    if session.status == Status.LOCKED:
        context.set(is_logged_on=is_logged_on)
        return
    if not is_logged_on:
        lifecycle.transition(
            session,
            Status.AVAILABLE,
            Verb.SESSION_LOGGED_OFF,
            f"{session.login_account} logged off from {session.resource_name}",
            is_logged_on=False,
        )
        return
    came = f" from {presence.address} with {presence.through}" if presence.through else ""
    with log.coming_from(presence.address or log.current_address()):
        lifecycle.transition(
            session,
            Status.LOGGED_IN,
            Verb.SESSION_LOGGED_IN,
            f"{session.login_account} logged in to {session.resource_name}{came}",
            is_logged_on=True,
        )


def _announce_end(context: StepContext) -> None:
    """Tell the user on the resource, once, that End is near. A failure is logged and not repeated."""
    session = context.session
    if session.end_notice_sent or session.end_at is None or _notice_at(context) > context.now():
        return
    if not session.profile.end_notice:
        return
    text = f"This session ends at {session.end_at:%H:%M} UTC. Save your work."
    try:
        connector = context.connector()
        with renewed_lease(session.pk, context.owner):
            connector.notify(context.grant_to_tell(), text, context.say)
    except ConnectorError as error:
        context.record(Verb.SESSION_END_NOTICE, f"The End could not be announced: {error}", Level.WARNING)
    else:
        at = time_value(session.end_at)
        context.record(Verb.SESSION_END_NOTICE, f"End announced: This session ends at {at}. Save your work.")
    context.set(end_notice_sent=True)


def _look_again(context: StepContext, again: dt.datetime | None) -> None:
    """Note when the session is checked next: at `again`, after the profile's interval, or for the announcement."""
    now = context.now()
    again = again or now + dt.timedelta(seconds=context.session.profile.logon_monitor_interval)
    notice_at = _notice_at(context)
    if not context.session.end_notice_sent and now < notice_at < again:
        again = notice_at
    context.set(next_monitor_at=again)


def _notice_at(context: StepContext) -> dt.datetime:
    session = context.session
    return (session.end_at or context.now()) - session.profile.end_notice
