"""Policy, profile and tiers are compared when a session is about to begin: without the approval that is required by
then it waits for it, and nothing is given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone

from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy, ApprovalTier, ConnectionProfile
from sessions_app.hosts.connectors import practice
from sessions_app.privileged.flows.approve import approve
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders
from tests.support.scene import HOUR, age, ask, messages_of, verbs_of


def status_of(session: PrivilegedSession) -> str:
    session.refresh_from_db()
    return session.status


def add_a_tier(approver: User) -> None:
    tier = ApprovalTier.objects.create(profile=AccessPolicy.objects.get(name="Linux work").profile, order=1)
    tier.users.set([approver])


def move_to_another_profile(approver: User) -> None:
    strict = builders.make_profile("Strict", tiers=[[approver]], maximum_duration=dt.timedelta(minutes=30))
    AccessPolicy.objects.filter(name="Linux work").update(profile=strict)


def another_policy_comes_first(approver: User) -> None:
    strict = builders.make_profile("Strict", tiers=[[approver]], maximum_duration=dt.timedelta(minutes=30))
    alice = User.objects.get(username="alice")
    builders.make_policy("Stricter", users=[alice], profile=strict, priority=1)


REQUIRED = [add_a_tier, move_to_another_profile, another_policy_comes_first]


@pytest.fixture
def scheduled(alice: User, outsider: User) -> list[PrivilegedSession]:
    """Schedule a session of alice in an hour, and one of outsider by a policy that no test changes."""
    builders.make_policy("Linux work", users=[alice])
    builders.make_policy("Other work", users=[outsider])
    return [ask(person, start_at=timezone.now() + HOUR) for person in (alice, outsider)]


@pytest.mark.parametrize("happen", REQUIRED)
def test_a_scheduled_session_waits_for_the_approval_that_is_required_by_then(
    approver: User,
    scheduled: list[PrivilegedSession],
    happen: Callable[[User], None],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    session, other = scheduled
    happen(approver)
    for one in scheduled:
        age(one, HOUR)
    with django_capture_on_commit_callbacks(execute=True):
        reconcile()
    assert (status_of(session), session.current_tier) == (Status.WAITING, 1)
    assert session.approval_deadline is not None
    assert session.approval_deadline > timezone.now() + dt.timedelta(hours=23)
    assert practice.find_grant(session.pk) is None
    assert status_of(other) == Status.AVAILABLE
    assert Verb.SESSION_APPROVAL_NEEDED in verbs_of(session)
    assert [letter.to for letter in mail.outbox] == [["approver@example.com"], ["alice@example.com"]]
    assert "requires approval by tier 1 by now" in mail.outbox[1].body
    approve(approver, session)
    reconcile()
    assert status_of(session) == Status.AVAILABLE
    assert session.policy is not None
    assert session.profile_id == session.policy.profile_id
    strict = ConnectionProfile.objects.filter(name="Strict").exists()
    assert session.maximum_duration == (dt.timedelta(minutes=30) if strict else dt.timedelta(hours=2))


def test_an_approval_of_who_could_not_approve_any_more_is_asked_for_again_at_the_start(
    alice: User, approver: User, outsider: User
) -> None:
    profile = builders.make_profile(tiers=[[approver, outsider]])
    builders.make_policy("Linux work", users=[alice], profile=profile)
    session = ask(alice, start_at=timezone.now() + HOUR)
    approve(approver, session)
    assert session.status == Status.PENDING
    profile.tiers.get().users.remove(approver)
    age(session, HOUR)
    reconcile()
    assert status_of(session) == Status.WAITING
    approve(outsider, session)
    reconcile()
    assert status_of(session) == Status.AVAILABLE


def test_what_was_approved_and_stays_the_same_begins(alice: User, approver: User) -> None:
    builders.make_policy(users=[alice], profile=builders.make_profile(tiers=[[approver]]))
    session = ask(alice, start_at=timezone.now() + HOUR)
    approve(approver, session)
    age(session, HOUR)
    reconcile()
    assert status_of(session) == Status.AVAILABLE
    assert Verb.SESSION_POLICY_CHANGED not in verbs_of(session)


@pytest.mark.parametrize("happen", [move_to_another_profile, another_policy_comes_first])
def test_the_last_approval_is_not_enough_for_a_policy_that_requires_another_by_then(
    alice: User, approver: User, outsider: User, happen: Callable[[User], None]
) -> None:
    builders.make_policy("Linux work", users=[alice], profile=builders.make_profile(tiers=[[outsider]]))
    session = ask(alice)
    happen(approver)
    approve(outsider, session)
    assert (status_of(session), session.current_tier, session.profile.name) == (Status.WAITING, 1, "Strict")
    approve(approver, session)
    assert status_of(session) == Status.PROVISIONING


@pytest.mark.parametrize("happen", REQUIRED)
def test_a_session_is_not_given_when_approval_is_required_before_it_was(
    alice: User, approver: User, outsider: User, happen: Callable[[User], None]
) -> None:
    builders.make_policy("Linux work", users=[alice])
    builders.make_policy("Other work", users=[outsider])
    session, other = ask(alice), ask(outsider)
    happen(approver)
    reconcile()
    assert (status_of(session), status_of(other)) == (Status.CANCELED, Status.AVAILABLE)
    assert "requires approval by tier 1 by now, which this session does not have" in session.end_reason
    assert practice.find_grant(session.pk) is None


def test_nobody_left_to_approve_fails_the_approval_at_once(
    alice: User, approver: User, scheduled: list[PrivilegedSession]
) -> None:
    add_a_tier(approver)
    User.objects.filter(pk=approver.pk).update(is_active=False)
    age(scheduled[0], HOUR)
    reconcile()
    assert status_of(scheduled[0]) == Status.APPROVAL_FAILED
    assert practice.grants() == []


def test_a_longer_profile_makes_no_session_longer(alice: User, scheduled: list[PrivilegedSession]) -> None:
    builders.make_policy(
        "Longer", users=[alice], profile=builders.make_profile("Long", maximum_duration=9 * HOUR), priority=1
    )
    age(scheduled[0], HOUR)
    reconcile()
    assert (status_of(scheduled[0]), scheduled[0].profile.name) == (Status.AVAILABLE, "Long")
    assert scheduled[0].maximum_duration == 2 * HOUR
    assert "The access policy Longer counts by now, with the connection profile Long: at most 2:00:00" in messages_of(
        scheduled[0]
    )
