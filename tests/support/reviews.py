"""Access reviews and reviews of the log that have begun, for tests that go on from there."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from sessions_app.reviews.flows.access import Scope, begin_access_review, decide
from sessions_app.reviews.flows.commit import Effect, commit_access_review, effect_of
from sessions_app.reviews.models import AccessReview, Decision, LogReview
from tests.support import builders

HOUR = dt.timedelta(hours=1)


def make_access_review(*reviewers: User, name: str = "Autumn", scope: Scope | None = None) -> AccessReview:
    """Begin a review of all rights, or of those of the scope. Some must exist."""
    starter = builders.make_auditor()
    due_on = timezone.localdate() + dt.timedelta(days=14)
    whole = scope or Scope("all", "All rights")
    return begin_access_review(starter, name=name, scope=whole, reviewers=reviewers or [starter], due_on=due_on)


def decide_all(actor: User, review: AccessReview, decision: Decision = Decision.TAKE_AWAY) -> None:
    """Decide about every right of the review."""
    decide(actor, review, dict(review.items.values_list("pk", "version")), decision, "moved to sales")


def committed(actor: User, review: AccessReview) -> Effect:
    """Commit the review with the effect that it has now."""
    return commit_access_review(actor, review, effect_of(actor, review).fingerprint)


def make_log_review(auditor: User | None = None, **values: Any) -> LogReview:
    """Begin a review of three quarters of an hour, which ended a quarter of an hour ago."""
    now = timezone.now()
    defaults = {"since": now - HOUR, "until": now - HOUR / 4, "begun_by": auditor or builders.make_auditor()}
    return LogReview.objects.create(**(defaults | values))
