"""Terminate one session: cut its live connections at once, and by default cancel it."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity import log
from activity.models import Level
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.privileged.flows import control
from sessions_app.privileged.flows.permission import lock_session_row, require
from sessions_app.privileged.models import ControlKind, PrivilegedSession, Status


@retry_while_unavailable
def terminate(
    actor: AbstractUser, session: PrivilegedSession, *, cancel: bool = True, is_accepted: bool = False
) -> None:
    """Request that the connections are cut. With `cancel` also take the rights away, so that nobody can log in again.

    `is_accepted` means that this is part of a cut that was accepted from `actor`, who may have lost the role since.
    Raise Refused if the person may not terminate it, or if there is nothing to cut.
    """
    with transaction.atomic():
        lock_session_row(session)
        require(actor, session, "terminate", is_accepted=is_accepted)
        message = f"{actor.get_username()} terminated the session"
        if cancel:
            control.start_canceling(
                session,
                Status.CANCELED,
                message,
                actor=actor,
                verb=Verb.SESSION_TERMINATED,
                level=Level.WARNING,
            )
        else:
            log.record(
                Verb.SESSION_TERMINATED,
                f"{message}: connections are cut, the session goes on",
                actor=actor,
                user=session.user,
                target=session,
                level=Level.WARNING,
            )
        control.request_control(session, ControlKind.DISCONNECT, actor=actor)
