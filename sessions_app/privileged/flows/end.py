"""End one session: its rights are taken away in order, and it is over."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity.again import tried_again
from activity.verbs import Verb
from sessions_app.privileged import lifecycle, policy
from sessions_app.privileged.flows.control import take_away
from sessions_app.privileged.flows.permission import hold, require
from sessions_app.privileged.models import PrivilegedSession, Status


@tried_again
def end(actor: AbstractUser, session: PrivilegedSession, *, is_accepted: bool = False) -> None:
    """End the session early. It becomes complete when its own person (or who asked for it) ends it, else canceled.

    What has not begun is over at once; what may hold rights goes through `canceling`. Raises Refused when the person
    may not, or it is over.

    `is_accepted`: it belongs to a cut that was accepted from `actor`, who may have lost the role since.
    """
    with transaction.atomic():
        hold(session)
        require(actor, session, "end", is_accepted=is_accepted)
        is_own = actor.pk in (session.user_id, session.requested_by_id)
        ends_as = Status.COMPLETE if is_own else Status.CANCELED
        message = f"{actor.get_username()} ended the session"
        if session.status in policy.NOT_BEGUN:
            verb = Verb.SESSION_COMPLETED if is_own else Verb.SESSION_CANCELED
            lifecycle.transition(session, ends_as, verb, f"{message} before it began", actor=actor, end_reason=message)
        else:
            take_away(session, ends_as, message, actor=actor)
