"""What the tab Overview of a session shows, with a constant number of queries: facts, approvals, controls, timeline."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.utils.html import format_html

from activity.listing import short_time, span_of_time
from activity.models import Level, LogEntry
from activity.names import then_and_now
from activity.tables import message_text
from activity.times_in_text import with_local_times
from sessions_app.catalogue.models import ApprovalTier
from sessions_app.hosts.models import HostComparison
from sessions_app.pages.sessions.controls import controls_shown
from sessions_app.privileged.flows.approvers import approvals_that_count
from sessions_app.privileged.models import WITHDRAWN, Approval, PrivilegedSession, Status
from sessions_app.privileged.policy import NOT_BEGUN
from sessions_app.privileged.session_log import entries_of
from sessions_app.privileged.time_left import short_span
from sessions_app.roles import Person, sees_everything

TIMELINE_LENGTH = 50


@dataclasses.dataclass(frozen=True, slots=True)
class TierShown:
    """One approval tier of the session with its decisions."""

    order: int
    required: int
    approvers: str
    decided: str
    decisions: list[Approval]
    void: frozenset[int]  # ids of the approvals that do not count any more

    @property
    def state(self) -> str:
        """Return the state of the tier. Approvals of people who do not count any more are requested again."""
        return "to be asked again" if self.decided == "approved" and self.given < self.required else self.decided

    @property
    def given(self) -> int:
        """Return the number of approvals that count."""
        return sum(decision.is_approved and decision.pk not in self.void for decision in self.decisions)


def overview_context(session: PrivilegedSession) -> dict[str, Any]:
    """Return the context of templates/sessions_app/pages/sessions/session_overview.html.

    Load `session` with resource, activity, profile and policy.
    """
    entries = list(entries_of(session).filter(level__gt=Level.DEBUG).order_by("-pk")[: TIMELINE_LENGTH + 1])
    return {
        "status_label": Status(session.status).label + (f", {WITHDRAWN}" if session.is_withdrawn else ""),
        "facts": _facts(session),
        "tiers": _tiers(session),
        "controls": controls_shown(session),
        "timeline": [_timeline_row(entry) for entry in reversed(entries[:TIMELINE_LENGTH])],
        "is_timeline_truncated": len(entries) > TIMELINE_LENGTH,
    }


def comparison_context(person: Person, session: PrivilegedSession) -> dict[str, Any]:
    """Return what is new on the host since before the session.

    It is only for administrators and auditors, because it may be the work of other people.
    """
    row = HostComparison.objects.filter(session=session).defer("before").first() if sees_everything(person) else None
    if row is None:
        return {"comparison": None}
    return {
        "comparison": row,
        "before_at": short_time(row.before_at) if row.before_at else "",
        "after_at": short_time(row.after_at) if row.after_at else "",
        "news": [{"what": what, "kind": kind, "name": name, "value": value} for what, kind, name, value in row.news],
    }


def _facts(session: PrivilegedSession) -> list[tuple[str, str]]:
    """Return labels and values (safe HTML or plain text). What does not apply is left out."""
    resource = session.resource
    where = f"{resource.address}, port {resource.port}" if resource.address else ""
    rows = [
        ("Requested", short_time(session.requested_at)),
        ("Requested by", _requester_name(session)),
        ("Login account", session.login_account),
        ("Address", where),
        ("Scheduled for", short_time(session.scheduled_for) if session.scheduled_for else ""),
        ("Start", short_time(session.start_at) if session.start_at else ""),
        ("End", short_time(session.end_at) if session.end_at else ""),
        ("Ended", short_time(session.ended_at) if session.ended_at else ""),
        ("Duration", span_of_time(session.duration) if session.duration is not None else ""),
        ("At most", span_of_time(session.maximum_duration)),
        ("Extensions", _extensions(session)),
        ("Decide before", short_time(session.approval_deadline) if session.status == Status.WAITING else ""),
        ("Access policy", session.policy.name if session.policy else ""),
        ("Connection profile", session.profile.name),
        ("Second factor", _second_factor(session)),
        ("Notes", session.notes),
        ("Ticket", session.ticket_number),
        ("End reason", with_local_times(session.end_reason)),
    ]
    return [(label, value) for label, value in rows if value]


def _requester_name(session: PrivilegedSession) -> str:
    """Return the current name of the requester.

    The name at that time stands before it, if the requester is the user.
    """
    name = session.requested_by.get_username()
    return then_and_now(session.user_name, name) if session.requested_by_id == session.user_id else name


def _second_factor(session: PrivilegedSession) -> str:
    """Return when the profile asks for a fresh second factor, and whether that of the start was given."""
    given = session.start_confirmed_at
    if given is None:
        return session.profile.confirms
    return format_html("{} (for the start: {})", session.profile.confirms or "not asked for", short_time(given))


def _extensions(session: PrivilegedSession) -> str:
    """Return how many extensions were used and how many are left; an empty string if there are none."""
    used, limit = session.extensions, session.profile.extension_limit
    if session.is_ended or session.status == Status.CANCELING:
        return f"{used} used" if used else ""
    by = short_span(int(session.profile.extension_by.total_seconds()))
    return f"{max(limit - used, 0)} of {limit} left, {by} each" if limit else ""


def _tiers(session: PrivilegedSession) -> list[TierShown]:
    """Return each tier with its decisions, also those that the profile does not have any more."""
    decisions: dict[int, list[Approval]] = {}
    for approval in Approval.objects.filter(session=session).select_related("approver").order_by("decided_at", "pk"):
        decisions.setdefault(approval.tier, []).append(approval)
    tiers = {
        tier.order: tier
        for tier in ApprovalTier.objects.filter(profile_id=session.profile_id).prefetch_related("users", "groups")
    }
    return [
        TierShown(
            order,
            tiers[order].required if order in tiers else len(decisions[order]),
            _approvers(tiers[order]) if order in tiers else "no longer part of the profile",
            _tier_state(session, order, decisions.get(order, [])),
            decisions.get(order, []),
            _void_approvals(session, tiers.get(order), decisions.get(order, [])),
        )
        for order in sorted(tiers.keys() | decisions.keys())
    ]


def _void_approvals(session: PrivilegedSession, tier: ApprovalTier | None, decisions: list[Approval]) -> frozenset[int]:
    """Return approvals that do not count any more. Once the session has begun, all of them were enough."""
    if tier is None or not decisions or session.status not in NOT_BEGUN:
        return frozenset()
    counting = approvals_that_count(session, tier)
    return frozenset(one.pk for one in decisions if one.is_approved and one.approver_id not in counting)


def _approvers(tier: ApprovalTier) -> str:
    names = [user.get_username() for user in tier.users.all()] + [f"group {group.name}" for group in tier.groups.all()]
    return ", ".join(names) or "nobody"


def _tier_state(session: PrivilegedSession, order: int, decisions: list[Approval]) -> str:
    if any(not decision.is_approved for decision in decisions):
        return "denied"
    if session.status == Status.WAITING and order == session.current_tier:
        return "being asked"
    if session.status == Status.WAITING and order > session.current_tier:
        return "asked later"
    return "approved" if decisions else "not asked"


def _timeline_row(entry: LogEntry) -> dict[str, Any]:
    level = Level(entry.level)
    return {
        "at": short_time(entry.at),
        "level": level.label,
        "css": level.label.lower(),
        "message": message_text(entry),
        "actor": entry.actor_name or "system",
    }
