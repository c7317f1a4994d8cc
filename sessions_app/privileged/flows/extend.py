"""Extend one session, as its connection profile allows."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from activity import log
from activity.verbs import Verb
from sessions_app.configuration.durations import write_duration
from sessions_app.errors import Refused
from sessions_app.privileged.flows import control
from sessions_app.privileged.flows.permission import lock_session_row, require
from sessions_app.privileged.models import ControlKind, PrivilegedSession


def extend(actor: AbstractUser, session: PrivilegedSession) -> None:
    """Move the end later by one extension, and let the new end be announced.

    Raise Refused if the limit of the profile is reached, the session is over, or the person may not extend it.
    """
    with transaction.atomic():
        lock_session_row(session)
        require(actor, session, "extend")
        if session.end_at is None or session.end_at <= timezone.now():
            raise Refused("This session has reached its end.")
        old_end = session.end_at
        session.end_at = old_end + session.profile.extension_by
        session.extensions += 1
        session.end_notice_sent = False
        session.next_monitor_at = None  # lets the worker compute again when to announce the end
        session.save(update_fields=["end_at", "extensions", "end_notice_sent", "next_monitor_at"])
        control.request_control(session, ControlKind.EXTEND, actor=actor)
        log.record(
            Verb.SESSION_EXTENDED,
            f"{actor.get_username()} extended the session by {write_duration(session.profile.extension_by)} "
            f"({session.extensions} of {session.profile.extension_limit})",
            actor=actor,
            user=session.user,
            target=session,
            details={"old_end": old_end.isoformat(), "new_end": session.end_at.isoformat()},
        )
