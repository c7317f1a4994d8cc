"""Approve one session, as one approver of the current tier."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from activity import log
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.permission import clean_text
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows import mail
from sessions_app.privileged.flows.approvers import approvals_that_count, missing_tier
from sessions_app.privileged.flows.permission import lock_session_row, require
from sessions_app.privileged.flows.require_approval import adopt_policy, ask_next_tier
from sessions_app.privileged.models import Approval, PrivilegedSession, Status


def approve(actor: AbstractUser, session: PrivilegedSession, *, reason: str = "") -> None:
    """Record the approval.

    The last approval that a tier needs asks the next tier. After the last tier the session continues. An approval of
    somebody who could not approve any more does not count, so an earlier tier may be asked again. Before the session
    continues, it gets the policy and the profile that apply now. Raise Refused if the session does not wait for this
    person, or if the time for approval is over.
    """
    reason = clean_text(reason, "reason", 500)
    with transaction.atomic():
        lock_session_row(session)
        require(actor, session, "approve")
        require_in_time(session)
        Approval.objects.create(
            session=session, tier=session.current_tier, approver_id=actor.pk, is_approved=True, reason=reason
        )
        said = f"{actor.get_username()} approved tier {session.current_tier}" + (f": {reason}" if reason else "")
        missing = missing_tier(session)
        if missing is None:
            adopt_policy(session)
            missing = missing_tier(session)
        if missing is None:
            _go_on(actor, session, said)
        elif missing.order == session.current_tier:
            given = len(approvals_that_count(session, missing))
            _note(actor, session, f"{said} ({given} of {missing.required})")
        else:
            ask_next_tier(actor, session, missing, said)


def require_in_time(session: PrivilegedSession) -> None:
    """Raise Refused if the deadline is over, even if the worker has not noticed yet."""
    if session.approval_deadline is not None and session.approval_deadline <= timezone.now():
        raise Refused("The time for this approval is over.")


def _note(actor: AbstractUser, session: PrivilegedSession, message: str) -> None:
    log.record(
        Verb.SESSION_APPROVED,
        message,
        actor=actor,
        user=session.user,
        target=session,
        details={"tier": session.current_tier},
    )


def _go_on(actor: AbstractUser, session: PrivilegedSession, said: str) -> None:
    is_later = session.scheduled_for is not None and session.scheduled_for > timezone.now()
    lifecycle.transition(
        session,
        Status.PENDING if is_later else Status.PROVISIONING,
        Verb.SESSION_APPROVED,
        f"{said}; the session {'is scheduled' if is_later else 'is being provisioned'}",
        actor=actor,
        details={"tier": session.current_tier},
    )
    mail.tell_people(session, "Approved", f"{actor.get_username()} approved the request.")
