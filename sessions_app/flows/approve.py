"""Approve one session: one person's yes to the tier that is being asked."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from activity import log
from activity.verbs import Verb
from sessions_app import lifecycle
from sessions_app.flows import mail
from sessions_app.flows.approvers import tier_being_asked
from sessions_app.flows.errors import Refused
from sessions_app.flows.permission import hold, require, text
from sessions_app.models import Approval, ApprovalTier, PrivilegedSession, Status


def approve(actor: AbstractUser, session: PrivilegedSession, *, reason: str = "") -> None:
    """Record the approval; the last one that a tier needs asks the next tier, the last tier lets the session go on.

    Raises Refused when the session does not wait for this person, or the time for approval is over.
    """
    reason = text(reason, "reason", 500)
    with transaction.atomic():
        hold(session)
        require(actor, session, "approve")
        require_in_time(session)
        Approval.objects.create(
            session=session, tier=session.current_tier, approver_id=actor.pk, is_approved=True, reason=reason
        )
        said = f"{actor.get_username()} approved tier {session.current_tier}" + (f": {reason}" if reason else "")
        tier = tier_being_asked(session)
        given = session.approvals.filter(tier=session.current_tier, is_approved=True).count()
        if tier is not None and given < tier.required:
            _note(actor, session, f"{said} ({given} of {tier.required})")
            return
        following = (
            ApprovalTier.objects.filter(profile_id=session.profile_id, order__gt=session.current_tier)
            .order_by("order")
            .first()
        )
        if following is None:
            _go_on(actor, session, said)
        else:
            _ask_next(actor, session, following, said)


def require_in_time(session: PrivilegedSession) -> None:
    """Raise Refused when the deadline is over and the worker has not noticed yet."""
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


def _ask_next(actor: AbstractUser, session: PrivilegedSession, following: ApprovalTier, said: str) -> None:
    _note(actor, session, f"{said}; tier {following.order} is asked next")
    session.current_tier = following.order
    session.approval_deadline = timezone.now() + session.profile.approval_timeout
    session.save(update_fields=["current_tier", "approval_deadline"])
    mail.ask_approvers([session])


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
