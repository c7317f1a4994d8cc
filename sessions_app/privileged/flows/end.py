"""End one session, and take its rights away in order."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.privileged import lifecycle, policy
from sessions_app.privileged.flows.control import start_canceling
from sessions_app.privileged.flows.permission import lock_session_row, require
from sessions_app.privileged.models import PrivilegedSession, Status


@retry_while_unavailable
def end(actor: AbstractUser, session: PrivilegedSession, *, is_accepted: bool = False) -> None:
    """End the session early. It becomes complete if its own user or requester ends it, else canceled.

    A session that has not begun ends at once; one that may hold rights becomes `canceling` first. `is_accepted` means
    that this is part of a cut that was accepted from `actor`, who may have lost the role since. Raise Refused if the
    person may not end it, or if it is over.
    """
    with transaction.atomic():
        lock_session_row(session)
        require(actor, session, "end", is_accepted=is_accepted)
        is_own = actor.pk in (session.user_id, session.requested_by_id)
        ends_as = Status.COMPLETE if is_own else Status.CANCELED
        message = f"{actor.get_username()} ended the session"
        if session.status in policy.NOT_BEGUN:
            verb = Verb.SESSION_COMPLETED if is_own else Verb.SESSION_CANCELED
            lifecycle.transition(session, ends_as, verb, f"{message} before it began", actor=actor, end_reason=message)
        else:
            start_canceling(session, ends_as, message, actor=actor)
