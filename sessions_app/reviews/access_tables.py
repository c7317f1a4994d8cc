"""The lists of access reviews, of the rights in one of them, and of what was taken away."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import django_filters
from django.contrib.auth.models import AbstractUser
from django.db.models import F, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from activity.listing import Card, Column, Table, badge, empty, link, short_time
from activity.listing.filterset import KeptFilterSet
from sessions_app.catalogue.exception_models import AccessException
from sessions_app.help.hints import help_hint
from sessions_app.reviews.models import AccessReview, AccessReviewItem, Decision
from sessions_app.roles import sees_everything
from sessions_app.row_counts import count_of

NOT_USED = dt.timedelta(days=90)


STATES = {
    "Committed": ("success", "check"),
    "Canceled": ("plain", "x"),
    "Overdue": ("warning", "warning"),
    "Open": ("info", "clock"),
}


def review_state(review: AccessReview) -> str:
    """Return the badge of an access review."""
    word = _state_word(review)
    return badge(STATES[word][0], word, STATES[word][1])


def _state_word(review: AccessReview) -> str:
    if review.committed_at is not None:
        return "Committed"
    if review.canceled_at is not None:
        return "Canceled"
    return "Overdue" if review.due_on < timezone.localdate() else "Open"


def _words(review: AccessReview) -> str:
    return str(review.scope.get("words", ""))


REVIEWS = Table(
    name="access-reviews",
    columns=(
        Column("review", "Access review", "name", 220, lambda row: link(row.get_absolute_url(), row.name)),
        Column("state", "State", "", 120, review_state, _state_word, sort=""),
        Column("scope", "Rights", "", 240, _words, _words, sort="", reads=("scope",)),
        Column("undecided", "Undecided", "undecided", 110, is_number=True, sort=""),
        Column("items", "In all", "count", 90, is_number=True, sort=""),
        Column("due_on", "Due", "due_on", 120),
        Column("begun_at", "Begun", "begun_at", 160),
        Column("begun_by", "By", "begun_by__username", 130, sort=""),
    ),
    default_sort="-begun_at",
    noun="access review",
    nouns="access reviews",
    search=("name",),
    empty_text=help_hint(
        "An access review asks reviewers to keep or take away each right of a snapshot.",
        "evidence",
        "reviews",
        "How reviews work",
    ),
    card=Card("review", "state", "scope", "due_on"),
    opens="review",
    grows=("review",),
    flexible=("scope",),
)


def reviews_of(viewer: AbstractUser) -> QuerySet[AccessReview]:
    """Return the access reviews that the person may see, with how many rights they have and how many are undecided."""
    rows = AccessReview.objects.filter(pk__in=AccessReview.objects.visible_to(viewer).order_by().values("pk"))
    items = AccessReviewItem.objects.filter(review=OuterRef("pk"))
    undecided = count_of(items.filter(decision=""), "review")
    return rows.select_related("begun_by").annotate(count=count_of(items, "review"), undecided=undecided)


class ItemFilters(KeptFilterSet):
    """Filters of the rights in a review."""

    decision = django_filters.ChoiceFilter(
        label="Decision", choices=[("none", "Undecided"), *Decision.choices], empty_label="Any", method="by_decision"
    )
    used = django_filters.ChoiceFilter(
        label="Last used",
        choices=[("unused", "Not for 90 days before the snapshot"), ("never", "Never")],
        empty_label="At any time",
        method="by_use",
    )
    user_name = django_filters.CharFilter(label="User", lookup_expr="folded_contains")
    resource_name = django_filters.CharFilter(label="Resource", lookup_expr="folded_contains")
    policy_name = django_filters.CharFilter(label="Access policy", lookup_expr="folded_contains")
    only_is = frozenset({"decision", "used"})

    class Meta:
        model = AccessReviewItem
        fields: list[str] = []

    def by_decision(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Select what was decided so, or what is undecided."""
        return rows.filter(decision="" if value == "none" else value)

    def by_use(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Select what was not used for long, or never."""
        if value == "never":
            return rows.filter(last_used_at=None)
        return rows.filter(Q(last_used_at=None) | Q(last_used_at__lt=F("review__begun_at") - NOT_USED))


def decision_badge(item: AccessReviewItem) -> str:
    """Return the badge of what was decided."""
    if not item.decision:
        return badge("plain", "Undecided", "clock")
    if item.decision == Decision.KEEP:
        return badge("success", "Keep", "check")
    return badge("warning", item.get_decision_display(), "x")


def _counts(item: AccessReviewItem) -> str:
    return "Counts" if item.decides else "Behind another policy"


ITEMS = Table(
    name="access-review-items",
    columns=(
        Column("user", "User", "user_name", 110),
        Column("activity", "Activity", "activity_name", 140, sorts_few=True),
        Column("resource", "Resource", "resource_name", 120, sorts_few=True),
        Column("policy", "Access policy", "policy_name", 150, sorts_few=True),
        Column("via", "Through", "via", 120, sort=""),
        Column("last_used_at", "Last used", "last_used_at", 165, sort="", cell=lambda row: _last_used(row)),
        Column("granted_by", "Granted by", "granted_by", 115, lambda row: empty(row.granted_by), sort=""),
        Column("decision", "Decision", "decision", 130, decision_badge, sort="", sql="decision"),
        Column("reason", "Reason", "reason", 180, sort=""),
        Column("decided_by", "Decided by", "decided_by__username", 120, sort=""),
        Column("decided_at", "Decided", "decided_at", 150, sort="", is_hidden=True),
        Column("counts", "Counts", "", 150, _counts, _counts, sort="", reads=("decides",), is_hidden=True),
    ),
    default_sort="user",
    noun="right",
    nouns="rights",
    search=("user_name", "activity_name", "resource_name", "policy_name"),
    is_selectable=True,
    card=Card("user", "decision", "activity", "resource"),
    grows=("user", "resource", "policy"),
    flexible=("reason", "via"),
    slow_csv="the columns Decision and Counts are words",
)


def _last_used(item: AccessReviewItem) -> str:
    return short_time(item.last_used_at) if item.last_used_at else "never"


def items_table(viewer: AbstractUser, refused: str) -> Table:
    """Return the table of the rights for a viewer. `refused` says why they decide about none; empty if they may."""

    def refusals(item: AccessReviewItem) -> dict[str, str]:
        why = refused or item.why_barred(viewer)
        return {"keep": why, "take_away": why} if why else {}

    return dataclasses.replace(ITEMS, refusals=refusals)


def _exception_state(row: AccessException) -> str:
    return badge("plain", "Given back", "check") if row.lifted_at else badge("warning", "In force", "x")


def _exception_word(row: AccessException) -> str:
    return "given back" if row.lifted_at else "in force"


def _policy(row: AccessException) -> str:
    return row.policy.name if row.policy else "every policy"


def _review_link(row: AccessException) -> str:
    return link(row.review.get_absolute_url() if row.review else "", row.review_name)


def _lift(row: AccessException) -> str:
    return "" if row.lifted_at else link(reverse("access_exception_lift", args=[row.pk]), "Give back")


LIFT = Column("lift", "Action", "", 110, _lift, lambda row: "", sort="", reads=("lifted_at",))
EXCEPTIONS = Table(
    name="access-exceptions",
    columns=(
        Column("user", "User", "user__username", 130, sort=""),
        Column("activity", "Activity", "activity__name", 160, sort=""),
        Column("resource", "Resource", "resource__name", 150, sort=""),
        Column("policy", "Access policy", "", 170, _policy, _policy, sort=""),
        Column("state", "State", "", 120, _exception_state, _exception_word, sort=""),
        Column("review", "Access review", "review_name", 160, _review_link, sort=""),
        Column("reason", "Reason", "reason", 180, sort=""),
        Column("made_by", "Decided by", "made_by__username", 120, sort=""),
        Column("made_at", "Since", "made_at", 150),
        Column("lifted_at", "Given back", "lifted_at", 150, sort="", is_hidden=True),
        Column("lifted_by", "Given back by", "lifted_by__username", 130, sort="", is_hidden=True),
        Column("lift_reason", "Why given back", "lift_reason", 180, sort="", is_hidden=True),
    ),
    default_sort="-made_at",
    noun="right that was taken away",
    nouns="rights taken away",
    search=("user__username", "activity__name", "resource__name", "review_name", "reason"),
    empty_text="When an access review takes a right away, it stands here until it is given back.",
    card=Card("user", "state", "activity", "resource"),
    grows=("user", "resource"),
    flexible=("reason",),
)


class ExceptionFilters(KeptFilterSet):
    """Filters of what was taken away."""

    state = django_filters.ChoiceFilter(
        label="State",
        choices=[("in_force", "In force"), ("lifted", "Given back")],
        empty_label="Any",
        method="by_state",
    )
    only_is = frozenset({"state"})

    class Meta:
        model = AccessException
        fields: list[str] = []

    def by_state(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Select what is in force, or what was given back."""
        return rows.filter(lifted_at=None) if value == "in_force" else rows.exclude(lifted_at=None)


def exceptions_of(viewer: AbstractUser) -> QuerySet[AccessException]:
    """Return what was taken away, for who sees everything; nothing for others."""
    rows = AccessException.objects.select_related(
        "user", "activity", "resource", "policy", "review", "made_by", "lifted_by"
    )
    return rows if sees_everything(viewer) else rows.none()
