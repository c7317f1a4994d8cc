"""privileged/policy.py says in a sentence why something may not be done, without a single query."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.privileged import booking, policy
from sessions_app.privileged.models import ENDED, PrivilegedSession, Status

OWNER, STRANGER, ADMIN = 1, 2, 3
NOW = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
EVERY_VERB = {"end", "lock", "unlock", "terminate", "approve", "deny", "extend", "relaunch"}


def session(status: str, **values: Any) -> PrivilegedSession:
    profile = ConnectionProfile(name="Short", extension_limit=1, extension_by=dt.timedelta(minutes=30))
    return PrivilegedSession(
        status=status, user_id=OWNER, requested_by_id=OWNER, profile=values.pop("profile", profile), **values
    )


def allowed(
    of: PrivilegedSession, viewer: int, *, admin: bool = False, auditor: bool = False, awaits_me: bool = False
) -> set[str]:
    reasons = policy.refusals(
        of, viewer_id=viewer, is_administrator=admin, is_auditor_only=auditor, awaits_me=awaits_me
    )
    assert all(reason.endswith(".") for reason in reasons.values())
    return EVERY_VERB - set(reasons)


OWNERS = {
    "pending": {"end"},
    "waiting_for_approval": {"end"},
    "provisioning": {"end"},
    "available": {"end", "extend"},
    "logged_in": {"end", "extend"},
    "locked": set(),
    "canceling": set(),
} | {status.value: {"relaunch"} for status in ENDED}
ADMINISTRATORS = {
    "pending": {"end"},
    "waiting_for_approval": {"end"},
    "provisioning": {"end"},
    "available": {"end", "extend", "lock", "terminate"},
    "logged_in": {"end", "extend", "lock", "terminate"},
    "locked": {"end", "unlock", "terminate"},
    "canceling": set(),
} | {status.value: {"relaunch"} for status in ENDED}


@pytest.mark.parametrize("status", Status.values)
def test_what_the_owner_may_do_follows_the_status(status: str) -> None:
    assert allowed(session(status), OWNER) == OWNERS[status]


@pytest.mark.parametrize("status", Status.values)
def test_what_an_administrator_may_do_follows_the_status(status: str) -> None:
    assert allowed(session(status), ADMIN, admin=True) == ADMINISTRATORS[status]


@pytest.mark.parametrize("status", Status.values)
def test_an_auditor_may_do_nothing_but_end_an_own_session(status: str) -> None:
    assert allowed(session(status), OWNER, auditor=True) == allowed(session(status), OWNER) & {"end"}
    assert allowed(session(status), STRANGER, auditor=True, awaits_me=True) == set()


@pytest.mark.parametrize("status", Status.values)
def test_a_stranger_may_do_nothing(status: str) -> None:
    assert allowed(session(status), STRANGER) == set()


@pytest.mark.parametrize("status", Status.values)
def test_an_approver_may_decide_while_the_session_waits(status: str) -> None:
    expected = {"approve", "deny"} if status == "waiting_for_approval" else set()
    assert allowed(session(status), STRANGER, awaits_me=True) == expected


def test_nobody_decides_on_a_request_of_their_own_or_one_they_asked_for() -> None:
    waiting = session("waiting_for_approval")
    assert "approve" not in allowed(waiting, OWNER, awaits_me=True)
    waiting.requested_by_id = ADMIN
    assert "approve" not in allowed(waiting, ADMIN, admin=True, awaits_me=True)


def test_an_administrator_who_is_no_approver_cannot_approve() -> None:
    assert "approve" not in allowed(session("waiting_for_approval"), ADMIN, admin=True)


@pytest.mark.parametrize(("limit", "done", "is_allowed"), [(0, 0, False), (1, 0, True), (1, 1, False), (3, 2, True)])
def test_the_profile_limits_extensions(limit: int, done: int, is_allowed: bool) -> None:
    profile = ConnectionProfile(name="P", extension_limit=limit, extension_by=dt.timedelta(minutes=1))
    assert ("extend" in allowed(session("available", profile=profile, extensions=done), OWNER)) is is_allowed


def test_a_session_frozen_with_its_account_is_unlocked_with_the_account() -> None:
    assert "unlock" not in allowed(session("locked", account_lock_id=7), ADMIN, admin=True)


WANTED = policy.PolicyInputs(
    user_name="alice",
    activity="Patch",
    activity_is_active=True,
    activity_platform="linux",
    resource="web-1",
    resource_is_active=True,
    resource_platform="linux",
    policy="Linux work",
    profile="Short",
    notes_required=False,
    ticket_required=False,
    notes="",
    ticket_number="",
    start_at=None,
)


OTHER = booking.Booking(7, 1, NOW, NOW + dt.timedelta(hours=1), "until noon")


def decide(**values: Any) -> policy.Decision:
    return policy.decide(dataclasses.replace(WANTED, **values), now=NOW)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, Status.PROVISIONING),
        ({"start_at": NOW + dt.timedelta(hours=1)}, Status.PENDING),
        ({"needs_approval": True}, Status.WAITING),
        ({"needs_approval": True, "start_at": NOW + dt.timedelta(hours=1)}, Status.WAITING),
        ({"notes_required": True, "notes": "why"}, Status.PROVISIONING),
        ({"start_at": NOW + dt.timedelta(days=365)}, Status.PENDING),
    ],
)
def test_a_request_begins_in_the_status_that_policy_asks_for(values: dict[str, Any], status: Status) -> None:
    assert decide(**values) == policy.Decision(status)


@pytest.mark.parametrize(
    ("values", "says", "field"),
    [
        ({"account_is_active": False}, "alice is disabled", ""),
        ({"account_lock": "Lost laptop"}, "Lost laptop", ""),
        ({"resource_lock": "Under repair"}, "web-1 is closed to new sessions: Under repair", ""),
        ({"policy": ""}, "No access policy gives alice", ""),
        ({"activity_is_active": False}, "Patch is not active", ""),
        ({"resource_is_active": False}, "web-1 is not active", ""),
        ({"resource_platform": "windows"}, "another platform", ""),
        ({"same_session": OTHER}, "alice already has session 7 (until noon) for Patch on web-1", ""),
        ({"same_session": OTHER, "speaks_to_user": True}, "You already have session 7", ""),
        ({"account_session": OTHER, "login_account": "x"}, "The account x on web-1 is open", "start_at"),
        ({"short_tier": "approval tier 1 needs 2."}, "Linux work cannot be followed", ""),
        ({"notes_required": True}, "Short requires notes", "notes"),
        ({"ticket_required": True}, "Short requires a ticket", "ticket_number"),
        ({"start_at": NOW}, "must be in the future", "start_at"),
        ({"start_at": NOW + dt.timedelta(days=366)}, "one year ahead", "start_at"),
    ],
)
def test_a_refusal_names_what_stands_in_the_way(values: dict[str, Any], says: str, field: str) -> None:
    decision = decide(**values)
    assert decision.status is None
    assert says in decision.reason
    assert decision.field == field


def test_two_sessions_are_apart_when_one_begins_as_the_other_ends() -> None:
    hour = dt.timedelta(hours=1)
    assert booking.first_overlap([OTHER], NOW, hour) is OTHER
    assert booking.first_overlap([OTHER], NOW + hour - dt.timedelta(seconds=1), hour) is OTHER
    assert booking.first_overlap([OTHER], NOW + hour, hour) is None
    assert booking.first_overlap([OTHER], NOW - hour, hour) is None
    assert booking.first_overlap([OTHER], NOW - hour, 3 * hour) is OTHER


def test_a_session_may_start_later_although_the_same_one_is_running() -> None:
    assert (
        policy.why_start_refused(dataclasses.replace(WANTED, same_session=OTHER, short_tier="x.", notes_required=True))
        == ""
    )


@pytest.mark.parametrize(
    "values",
    [{"account_lock": "x"}, {"resource_lock": "x"}, {"policy": ""}, {"account_is_active": False}],
)
def test_a_session_must_not_start_when_a_lock_or_a_lost_policy_stands_against_it(values: dict[str, Any]) -> None:
    assert policy.why_start_refused(dataclasses.replace(WANTED, **values))
