"""Terminate one session: cut its live connections at once, and by default cancel it."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity import log
from activity.again import tried_again
from activity.models import Level
from activity.verbs import Verb
from sessions_app.privileged.flows import control
from sessions_app.privileged.flows.permission import hold, require
from sessions_app.privileged.models import ControlKind, PrivilegedSession, Status


@tried_again
def terminate(
    actor: AbstractUser, session: PrivilegedSession, *, cancel: bool = True, is_accepted: bool = False
) -> None:
    """Ask the enforcer to cut the connections; with `cancel` the rights are taken away too, so that nobody logs in
    through this session again. Raises Refused when the person may not, or there is nothing to cut.

    `is_accepted`: it belongs to a cut that was accepted from `actor`, who may have lost the role since.
    """
    with transaction.atomic():
        hold(session)
        require(actor, session, "terminate", is_accepted=is_accepted)
        message = f"{actor.get_username()} terminated the session"
        if cancel:
            control.take_away(
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
        control.ask(session, ControlKind.DISCONNECT, actor=actor)
