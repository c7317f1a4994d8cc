"""Sessions that hold rights: they reach their End, get announced, and are asked about on the resource."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.catalogue.connectors import ConnectorError, Presence
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows import mail
from sessions_app.privileged.flows.control import take_away
from sessions_app.privileged.flows.permission import hold
from sessions_app.privileged.flows.start_check import why_right_is_gone
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession, Status
from sessions_app.privileged.rights import loses_its_right
from sessions_app.worker import controls
from sessions_app.worker.lease import kept
from sessions_app.worker.step import Visit


def look(visit: Visit) -> None:
    """End it when it is over, enforce what was asked for, announce the End, and see who is logged on."""
    if _is_over(visit):
        return
    controls.enforce(visit)
    session = visit.session
    if session.next_monitor_at is None or session.next_monitor_at <= visit.now():
        again = _see_who_is_logged_on(visit)
        if session.status not in HOLDS_GRANT:
            return
        _announce_end(visit)
        _look_again(visit, again)


def _is_over(visit: Visit) -> bool:
    """Begin to take the rights away when End is reached, the account is disabled or the right was withdrawn; an
    extension meanwhile wins."""
    session = visit.session
    with transaction.atomic():
        hold(session)
        if session.status not in HOLDS_GRANT:
            return True
        if not session.user.is_active:
            reason = f"The account {session.user_name} is disabled."
            take_away(session, Status.CANCELED, reason, level=Level.WARNING)
            return True
        if session.end_at is not None and session.end_at <= visit.now():
            take_away(session, Status.COMPLETE, "The session reached its End")
            return True
        return _has_lost_its_right(session)


def _has_lost_its_right(session: PrivilegedSession) -> bool:
    """End a session that policy does not give any more, unless its policy lets it run to its end."""
    if not PrivilegedSession.objects.filter(loses_its_right(), pk=session.pk).exists():
        return False
    reason = f"The right was withdrawn: {why_right_is_gone(session)}"
    take_away(session, Status.CANCELED, reason, level=Level.WARNING)
    mail.tell_people(session, "Ended", reason)
    return True


def _see_who_is_logged_on(visit: Visit) -> dt.datetime | None:
    """Ask the resource; the status follows. When to ask again, if the resource says so."""
    session = visit.session
    try:
        connector = visit.connector()
        with kept(session.pk, visit.owner):
            presence = connector.presence(visit.grant())
    except ConnectorError as error:
        text = str(error)[:300]
        if text != session.last_error:
            visit.record(Verb.CONNECTOR_STEP, f"Cannot see who is logged on: {text}", Level.WARNING)
            visit.set(last_error=text)
        return None
    if presence.is_logged_on is None:
        return presence.look_again_at
    if session.last_error:
        visit.record(Verb.CONNECTOR_STEP, f"{session.resource_name} answers again")
        visit.set(last_error="")
    if presence.has_ended:
        _note_ended(visit)
    else:
        _follow(visit, presence)
    return presence.look_again_at


def _note_ended(visit: Visit) -> None:
    """The resource was first, for an extension came too late there; who ended the session meanwhile wins."""
    session = visit.session
    with transaction.atomic():
        hold(session)
        if session.status in HOLDS_GRANT:
            reason = f"{session.resource_name} ended the session by itself before its End here"
            take_away(session, Status.COMPLETE, reason, level=Level.WARNING)


def _follow(visit: Visit, presence: Presence) -> None:
    """Let the status say what the resource says; a locked session stays locked."""
    session = visit.session
    is_logged_on = bool(presence.is_logged_on)
    if is_logged_on == session.is_logged_on:
        return
    if session.status == Status.LOCKED:
        visit.set(is_logged_on=is_logged_on)
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


def _announce_end(visit: Visit) -> None:
    """Tell the user on the resource once that End is near; a failure is said and not repeated."""
    session = visit.session
    if session.end_notice_sent or session.end_at is None or _notice_at(visit) > visit.now():
        return
    if not session.profile.end_notice:
        return
    text = f"This session ends at {session.end_at:%H:%M} UTC. Save your work."
    try:
        connector = visit.connector()
        with kept(session.pk, visit.owner):
            connector.notify(visit.grant_to_tell(), text, visit.say)
    except ConnectorError as error:
        visit.record(Verb.SESSION_END_NOTICE, f"The End could not be announced: {error}", Level.WARNING)
    else:
        visit.record(Verb.SESSION_END_NOTICE, f"End announced: {text}")
    visit.set(end_notice_sent=True)


def _look_again(visit: Visit, again: dt.datetime | None) -> None:
    """When the resource says there is more to know, else after the profile's interval; or for the announcement."""
    now = visit.now()
    again = again or now + dt.timedelta(seconds=visit.session.profile.logon_monitor_interval)
    notice_at = _notice_at(visit)
    if not visit.session.end_notice_sent and now < notice_at < again:
        again = notice_at
    visit.set(next_monitor_at=again)


def _notice_at(visit: Visit) -> dt.datetime:
    session = visit.session
    return (session.end_at or visit.now()) - session.profile.end_notice
