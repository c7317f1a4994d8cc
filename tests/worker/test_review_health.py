"""Health says when the log has not been reviewed for long, and which access reviews are overdue."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from activity import log
from activity.verbs import Verb
from sessions_app.reviews.models import AccessReview, LogReview
from sessions_app.worker.health.findings import Grade
from sessions_app.worker.health.reviews import reviews
from tests.support import builders
from tests.support.reviews import make_access_review, make_log_review

DAY = dt.timedelta(days=1)


def signed(auditor: User, begins: int, ends: int, now: dt.datetime) -> LogReview:
    """Return a signed review from so many until so many days ago."""
    return make_log_review(
        auditor, since=now - begins * DAY, until=now - ends * DAY, signed_by=auditor, signed_at=now, entries=0
    )


@pytest.mark.parametrize(
    ("periods", "is_well"),
    [
        ([], False),  # a month of entries, never reviewed
        ([(30, 6)], True),
        ([(30, 8)], False),
        ([(30, 15), (15, 2)], True),
        ([(30, 15), (20, 2)], True),
        ([(30, 15), (14, 2)], False),  # a day is missing between them
        ([(9, 1)], True),  # what is older than the first review is not asked for
    ],
)
def test_a_log_that_is_not_reviewed_is_a_warning(
    auditor: User, alice: User, settings: Any, periods: list[tuple[int, int]], is_well: bool
) -> None:
    log.record(Verb.LOGIN, "alice logged in", actor=alice, at=timezone.now() - 30 * DAY)
    now = timezone.now()
    for begins, ends in periods:
        signed(auditor, begins, ends, now)
    make_log_review(auditor)  # not signed: it counts for nothing
    assert (reviews().grade is Grade.OK) == is_well
    settings.LOG_REVIEW_DAYS = 0
    assert reviews().grade is Grade.OK


def test_an_overdue_access_review_is_named(alice: User, approver: User) -> None:
    builders.make_policy(users=[alice])
    review = make_access_review(approver)
    assert reviews().grade is Grade.OK
    AccessReview.objects.update(due_on=timezone.localdate() - DAY)
    assert reviews().text == "Overdue access reviews: “Autumn”."
    review.canceled_at = timezone.now()
    review.save(update_fields=["canceled_at"])
    assert reviews().grade is Grade.OK
