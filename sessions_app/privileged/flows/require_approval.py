"""Compares a session with the policy, the profile and the tiers that apply now.

This is checked when the last approval arrives, and again when the session is about to begin.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.catalogue.models import ApprovalTier
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows import mail
from sessions_app.privileged.flows.approvers import missing_tier
from sessions_app.privileged.flows.policy_inputs import policies_for
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.privileged.policy import decide_before


def adopt_policy(session: PrivilegedSession) -> None:
    """Give a session that has not begun the policy and the profile that apply now.

    Its duration becomes the shorter one of both profiles. Nothing changes if no policy allows it any more. The row of
    the session must be locked.
    """
    found = policies_for(session.user, session.activity, [session.resource]).get(session.resource_id)
    if found is None or (found.pk, found.profile_id) == (session.policy_id, session.profile_id):
        return
    old = {"policy": session.policy.name if session.policy else "", "profile": session.profile.name}
    new = {"policy": found.name, "profile": found.profile.name}
    session.policy, session.profile = found, found.profile
    session.maximum_duration = min(session.maximum_duration, found.profile.maximum_duration)
    with transaction.atomic():
        session.save(update_fields=["policy", "profile", "maximum_duration"])
        log.record(
            Verb.SESSION_POLICY_CHANGED,
            f"The access policy {found.name} counts by now, with the connection profile {found.profile.name}: "
            f"at most {session.maximum_duration}",
            user=session.user,
            target=session,
            details={"old": old, "new": new},
        )


def ask_missing_tier(session: PrivilegedSession, tier: ApprovalTier) -> None:
    """Let a scheduled session wait for an approval that it lacks, and tell its people and the approvers."""
    reason = f"The connection profile {session.profile.name} requires approval by tier {tier.order} by now."
    lifecycle.transition(
        session, Status.WAITING, Verb.SESSION_APPROVAL_NEEDED, reason, level=Level.WARNING, **_asking(session, tier)
    )
    mail.ask_approvers([session])
    mail.tell_people(session, "Approval needed", f"{reason} The session begins when it is given.")


def ask_next_tier(actor: AbstractUser, session: PrivilegedSession, tier: ApprovalTier, said: str) -> None:
    """Let a session that waits for approval wait for another tier. `said` is what `actor` did with this one."""
    log.record(
        Verb.SESSION_APPROVED,
        f"{said}; tier {tier.order} is asked next",
        actor=actor,
        user=session.user,
        target=session,
        details={"tier": session.current_tier},
    )
    values = _asking(session, tier)
    for name, value in values.items():
        setattr(session, name, value)
    session.save(update_fields=list(values))
    mail.ask_approvers([session])


def why_approval_is_missing(session: PrivilegedSession) -> str:
    """Return as a sentence which approval a session that is being provisioned lacks; an empty string if it has all."""
    tier = missing_tier(session)
    if tier is None:
        return ""
    return (
        f"The connection profile {session.profile.name} requires approval by tier {tier.order} by now, which this "
        "session does not have. Ask for it again."
    )


def _asking(session: PrivilegedSession, tier: ApprovalTier) -> dict[str, Any]:
    return {
        "current_tier": tier.order,
        "approval_deadline": decide_before(timezone.now(), session.profile.approval_timeout, session.scheduled_for),
        "next_monitor_at": None,  # lets the worker check again whether there are enough approvers
    }
