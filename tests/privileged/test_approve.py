"""Approval: tiers in order, N of M, nobody decides on their own request, one no is enough."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import ApprovalTier
from sessions_app.errors import Forbidden, Refused
from sessions_app.privileged.flows.approve import approve
from sessions_app.privileged.flows.deny import deny
from sessions_app.privileged.models import Approval, PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders, pages
from tests.support.scene import ask, messages_of


def waiting(alice: User, tiers: list[list[User]], required: int = 1, **values: Any) -> PrivilegedSession:
    profile = builders.make_profile("With approval", tiers=tiers)
    profile.tiers.update(required=required)
    builders.make_policy(users=[alice], profile=profile)
    return ask(alice, **values)


def test_the_only_approval_lets_the_session_begin(
    alice: User, approver: User, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    session = waiting(alice, [[approver]])
    with django_capture_on_commit_callbacks(execute=True):
        approve(approver, session, reason="Agreed")
    session.refresh_from_db()
    assert session.status == Status.PROVISIONING
    approval = Approval.objects.get()
    assert (approval.approver, approval.tier, approval.is_approved, approval.reason) == (approver, 1, True, "Agreed")
    assert mail.outbox[-1].to == ["alice@example.com"]
    assert "Approved" in mail.outbox[-1].subject


def test_an_approved_session_for_later_is_scheduled(alice: User, approver: User) -> None:
    session = waiting(alice, [[approver]], start_at=timezone.now() + dt.timedelta(days=1))
    approve(approver, session)
    assert session.status == Status.PENDING
    entry = LogEntry.objects.get(verb=Verb.SESSION_SCHEDULED)
    assert (entry.actor, entry.user, entry.target_id) == (approver, alice, session.pk)


def test_tiers_are_asked_in_order(
    alice: User, approver: User, outsider: User, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    session = waiting(alice, [[approver], [outsider]])
    with pytest.raises(Refused, match="does not wait for your decision"):
        approve(outsider, session)
    with django_capture_on_commit_callbacks(execute=True):
        approve(approver, session)
    session.refresh_from_db()
    assert (session.status, session.current_tier) == (Status.WAITING, 2)
    assert mail.outbox[-1].to == ["outsider@example.com"]
    with pytest.raises(Refused, match="does not wait for your decision"):
        approve(approver, session)
    approve(outsider, session)
    assert session.status == Status.PROVISIONING


def test_a_new_tier_gets_the_whole_time(alice: User, approver: User, outsider: User) -> None:
    session = waiting(alice, [[approver], [outsider]])
    nearly_over = timezone.now() + dt.timedelta(minutes=1)
    PrivilegedSession.objects.filter(pk=session.pk).update(approval_deadline=nearly_over)
    approve(approver, session)
    session.refresh_from_db()
    assert session.approval_deadline is not None
    assert session.approval_deadline > timezone.now() + dt.timedelta(hours=23)


def test_the_time_to_decide_ends_with_the_planned_start(alice: User, approver: User, outsider: User) -> None:
    session = waiting(alice, [[approver], [outsider]])
    start = timezone.now() + dt.timedelta(hours=2)
    PrivilegedSession.objects.filter(pk=session.pk).update(scheduled_for=start)
    approve(approver, session)
    session.refresh_from_db()
    assert (session.current_tier, session.approval_deadline) == (2, start)


def test_two_of_three_must_approve_and_nobody_counts_twice(alice: User) -> None:
    first, second, third = (builders.make_user(name) for name in ("first", "second", "third"))
    session = waiting(alice, [[first, second, third]], required=2)
    approve(first, session)
    assert session.status == Status.WAITING
    assert messages_of(session)[-1] == "first approved tier 1 (1 of 2)"
    with pytest.raises(Refused, match="does not wait for your decision"):
        approve(first, session)
    approve(third, session)
    assert session.status == Status.PROVISIONING
    with pytest.raises(Refused, match="does not wait for approval"):
        approve(second, session)


def test_members_of_a_group_are_approvers(alice: User, approver: User) -> None:
    group = Group.objects.create(name="Approvers")
    approver.groups.add(group)
    profile = builders.make_profile("By group")
    ApprovalTier.objects.create(profile=profile, order=2).groups.add(group)  # the first tier need not be number 1
    builders.make_policy(users=[alice], profile=profile)
    session = ask(alice)
    assert session.current_tier == 2
    approve(approver, session)
    assert session.status == Status.PROVISIONING


def test_nobody_approves_their_own_request(alice: User, approver: User) -> None:
    session = waiting(alice, [[alice, approver]])
    with pytest.raises(Refused, match="request of their own"):
        approve(alice, session)
    assert not Approval.objects.exists()


def test_who_asked_for_an_application_does_not_approve_it(admin: User, approver: User) -> None:
    principal = builders.make_application().principal
    builders.make_policy(users=[principal], profile=builders.make_profile(tiers=[[admin, approver]]))
    session = ask(principal, actor=admin)
    with pytest.raises(Refused, match="request of their own"):
        approve(admin, session)


def test_an_administrator_or_auditor_who_is_not_named_cannot_decide(
    alice: User, approver: User, admin: User, auditor: User
) -> None:
    session = waiting(alice, [[approver]])
    with pytest.raises(Refused, match="does not wait for your decision"):
        approve(admin, session)
    with pytest.raises(Forbidden, match="Auditors"):
        deny(auditor, session, reason="no")


def test_a_denial_ends_it_with_the_reason(
    alice: User, approver: User, outsider: User, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    session = waiting(alice, [[approver, outsider]], required=2)
    approve(outsider, session)
    with django_capture_on_commit_callbacks(execute=True):
        deny(approver, session, reason="Not today")
    session.refresh_from_db()
    assert session.status == Status.DENIED
    assert session.ended_at is not None
    assert session.end_reason == "approver denied tier 1: Not today"
    assert "Not today" in mail.outbox[-1].body
    assert mail.outbox[-1].to == ["alice@example.com"]


def test_a_denial_needs_a_reason(alice: User, approver: User) -> None:
    session = waiting(alice, [[approver]])
    with pytest.raises(Refused) as refused:
        deny(approver, session, reason="   ")
    assert refused.value.field == "reason"
    session.refresh_from_db()
    assert session.status == Status.WAITING


def leave_the_tier(tier: ApprovalTier, user: User) -> None:
    tier.users.remove(user)


def is_disabled(tier: ApprovalTier, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def become_auditor(tier: ApprovalTier, user: User) -> None:
    builders.make_auditor(user.username)


GONE = [leave_the_tier, is_disabled, become_auditor]


@pytest.mark.parametrize("happen", GONE)
def test_an_approval_of_somebody_who_could_not_give_it_any_more_does_not_count(
    alice: User, happen: Callable[[ApprovalTier, User], None], as_user: Callable[[User], Client]
) -> None:
    first, second, third = (builders.make_user(name) for name in ("first", "second", "third"))
    session = waiting(alice, [[first, second, third]], required=2)
    other = builders.make_session(alice, Status.WAITING, profile=session.profile)
    approve(first, session)
    approve(first, other)
    happen(session.profile.tiers.get(), first)
    approve(second, session)
    session.refresh_from_db()
    assert (session.status, messages_of(session)[-1]) == (Status.WAITING, "second approved tier 1 (1 of 2)")
    page = pages.elements(as_user(alice).get(f"/sessions/{session.pk}/"))
    [tier] = pages.texts(page, ".//section[@aria-labelledby='approvals-title']/ol/li")
    assert "being asked: 1 of 2" in tier
    assert tier.count("no longer counts: first could not approve it any more") == 1
    approve(third, session)
    assert session.status == Status.PROVISIONING
    other.refresh_from_db()
    assert (other.status, other.current_tier) == (Status.WAITING, 1)


@pytest.mark.parametrize("happen", GONE)
def test_an_earlier_tier_is_asked_again_when_its_approval_no_longer_counts(
    alice: User,
    happen: Callable[[ApprovalTier, User], None],
    as_user: Callable[[User], Client],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    first, second, third = (builders.make_user(name) for name in ("first", "second", "third"))
    session = waiting(alice, [[first, second], [third]])
    approve(first, session)
    happen(session.profile.tiers.get(order=1), first)
    page = pages.elements(as_user(alice).get(f"/sessions/{session.pk}/"))
    tiers = pages.texts(page, ".//section[@aria-labelledby='approvals-title']/ol/li")
    assert tiers[0].startswith("Tier 1, to be asked again: 0 of 1")
    assert tiers[1].startswith("Tier 2, being asked: 0 of 1")
    with django_capture_on_commit_callbacks(execute=True):
        approve(third, session)
    session.refresh_from_db()
    assert (session.status, session.current_tier) == (Status.WAITING, 1)
    assert messages_of(session)[-1] == "third approved tier 2; tier 1 is asked next"
    assert [letter.to for letter in mail.outbox] == [["second@example.com"]]
    approve(second, session)
    assert session.status == Status.PROVISIONING


def test_the_approval_fails_when_only_people_are_left_who_do_not_count(alice: User) -> None:
    first, second = (builders.make_user(name) for name in ("first", "second"))
    session = waiting(alice, [[first, second]], required=2)
    approve(first, session)
    is_disabled(session.profile.tiers.get(), first)
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.APPROVAL_FAILED
    assert "needs 2, and only 1 could approve" in session.end_reason


def test_no_decision_counts_after_the_deadline(alice: User, approver: User) -> None:
    session = waiting(alice, [[approver]])
    PrivilegedSession.objects.filter(pk=session.pk).update(approval_deadline=timezone.now())
    decisions: list[Callable[[], object]] = [
        lambda: approve(approver, session),
        lambda: deny(approver, session, reason="x"),
    ]
    for decide in decisions:
        with pytest.raises(Refused, match="time for this approval is over"):
            decide()
    assert not Approval.objects.exists()
