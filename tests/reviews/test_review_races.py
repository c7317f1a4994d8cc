"""Reviewers and auditors at the same moment: one wins, the other is told. Real threads, on SQLite and on PostgreSQL."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.exception_models import AccessException
from sessions_app.errors import Refused
from sessions_app.reviews.flows.access import decide
from sessions_app.reviews.flows.commit import EffectChanged, commit_access_review, effect_of
from sessions_app.reviews.flows.log_review import sign_off
from sessions_app.reviews.mail import remind_reviewers
from sessions_app.reviews.models import AccessReview, Decision, LogReview
from tests.support import builders
from tests.support.races import at_once
from tests.support.reviews import HOUR, decide_all, make_access_review, make_log_review

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 3
TOLD = (Refused, EffectChanged)


def all_at_once(*calls: Callable[[], Any]) -> list[Any]:
    return at_once(calls, TOLD)


def refused(outcomes: Sequence[Any]) -> list[Any]:
    return [each for each in outcomes if isinstance(each, TOLD)]


def test_two_reviewers_decide_the_same_right(alice: User, approver: User, outsider: User) -> None:
    builders.make_policy(users=[alice])
    for number in range(ROUNDS):
        review = make_access_review(approver, outsider, name=f"Round {number}")
        seen = dict(review.items.values_list("pk", "version"))
        outcomes = all_at_once(
            functools.partial(decide, approver, review, seen, Decision.KEEP, ""),
            functools.partial(decide, outsider, review, seen, Decision.TAKE_AWAY, "left"),
        )
        assert sorted(len(each.done) for each in outcomes) == [0, 1]
        item = review.items.get()
        assert item.version == 1
        [winner] = [each.done for each in outcomes if each.done]
        assert LogEntry.objects.filter(verb=Verb.ACCESS_REVIEW_DECIDED, target_id=review.pk).count() == len(winner)


def test_two_commit_the_same_review(alice: User, approver: User, outsider: User) -> None:
    builders.make_policy(users=[alice])
    review = make_access_review(approver, outsider)
    decide_all(approver, review)
    shown = effect_of(approver, review).fingerprint
    outcomes = all_at_once(
        *(functools.partial(commit_access_review, actor, review, shown) for actor in (approver, outsider))
    )
    [told] = refused(outcomes)
    assert "was committed already" in str(told)
    assert AccessException.objects.count() == 1
    assert LogEntry.objects.filter(verb=Verb.RIGHT_TAKEN_AWAY).count() == 1


def test_a_decision_and_a_commit_at_once_leave_what_was_signed(alice: User, approver: User, outsider: User) -> None:
    builders.make_policy(users=[alice])
    for number in range(ROUNDS):
        review = make_access_review(approver, outsider, name=f"Round {number}")
        decide_all(approver, review, Decision.KEEP)
        shown, seen = effect_of(approver, review).fingerprint, dict(review.items.values_list("pk", "version"))
        outcomes = all_at_once(
            functools.partial(commit_access_review, approver, review, shown),
            functools.partial(decide, outsider, review, seen, Decision.TAKE_AWAY, "left"),
        )
        assert len(refused(outcomes)) == 1
        review = AccessReview.objects.get(pk=review.pk)
        is_kept = review.items.get().decision == Decision.KEEP
        assert (review.committed_at is not None) == is_kept
        assert AccessException.objects.count() == 0


def test_two_reviews_take_the_same_right_away(alice: User, approver: User, outsider: User) -> None:
    builders.make_policy(users=[alice])
    pairs = [(approver, make_access_review(approver, name="One")), (outsider, make_access_review(outsider, name="Two"))]
    for actor, review in pairs:
        decide_all(actor, review)
    calls = [
        functools.partial(commit_access_review, actor, review, effect_of(actor, review).fingerprint)
        for actor, review in pairs
    ]
    outcomes = all_at_once(*calls)
    assert AccessException.objects.in_force().count() == 1
    assert all(isinstance(each, EffectChanged) for each in refused(outcomes))


def test_two_auditors_sign_periods_that_overlap(auditor: User) -> None:
    other = builders.make_auditor("other-auditor")
    for number in range(ROUNDS):
        LogReview.objects.all().delete()
        first = make_log_review(auditor)
        second = make_log_review(other, since=first.since - HOUR, until=first.since + HOUR / 2)
        outcomes = all_at_once(
            functools.partial(sign_off, auditor, first, agreed=(), exceptions=0),
            functools.partial(sign_off, other, second, agreed=(), exceptions=0),
        )
        assert len(refused(outcomes)) == 1, number
        assert LogReview.objects.exclude(signed_at=None).count() == 1


def test_two_workers_remind_once(alice: User, approver: User) -> None:
    builders.make_policy(users=[alice])
    review = make_access_review(approver)
    assert sum(all_at_once(*[functools.partial(remind_reviewers, review.due_on)] * 2)) == 1
