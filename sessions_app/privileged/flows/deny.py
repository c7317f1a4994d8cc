"""Deny one session. One denial is enough."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity.models import Level
from activity.verbs import Verb
from sessions_app.permission import clean_text
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows import mail
from sessions_app.privileged.flows.approve import require_in_time
from sessions_app.privileged.flows.permission import lock_session_row, require
from sessions_app.privileged.models import Approval, PrivilegedSession, Status


def deny(actor: AbstractUser, session: PrivilegedSession, *, reason: str) -> None:
    """Record the denial with its reason, end the session, and send e-mail to its user and requester.

    Raise Refused if there is no reason, or if the session does not wait for this person.
    """
    reason = clean_text(reason, "reason", 500, required="Say why; the requester reads it.")
    with transaction.atomic():
        lock_session_row(session)
        require(actor, session, "deny")
        require_in_time(session)
        Approval.objects.create(
            session=session, tier=session.current_tier, approver_id=actor.pk, is_approved=False, reason=reason
        )
        message = f"{actor.get_username()} denied tier {session.current_tier}: {reason}"
        lifecycle.transition(
            session,
            Status.DENIED,
            Verb.SESSION_DENIED,
            message,
            actor=actor,
            level=Level.WARNING,
            details={"tier": session.current_tier},
            end_reason=message[:300],
        )
        mail.tell_people(session, "Denied", message)
