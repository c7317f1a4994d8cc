"""The list of reviews of the log."""

from __future__ import annotations

import datetime as dt
from typing import Any

import django_filters
from django.db.models import Count, Q, QuerySet

from activity.listing import Card, Column, Table, badge, empty, exact_time, link
from activity.listing.filterset import KeptFilterSet
from sessions_app.help.hints import help_hint
from sessions_app.reviews.models import LogReview


def state_badge(review: LogReview) -> str:
    """Return the badge of a review."""
    word = _state_word(review)
    return badge("info", word, "clock") if review.signed_at is None else badge("success", word, "check")


def _state_word(review: LogReview) -> str:
    return "Being reviewed" if review.signed_at is None else "Signed off"


def _in_full(at: dt.datetime) -> str:
    """Return the time with its date, even if it is today's: an end of “00:00:00” would say nothing about the period."""
    return exact_time(at).rpartition(" ")[0]


REVIEWS = Table(
    name="log-reviews",
    columns=(
        Column("number", "Review", "pk", 90, lambda row: link(row.get_absolute_url(), f"#{row.pk}"), is_number=True),
        Column("since", "From", "since", 160, lambda row: _in_full(row.since)),
        Column("until", "To", "until", 160, lambda row: _in_full(row.until)),
        Column("state", "State", "", 150, state_badge, _state_word, sort=""),
        Column("looked_at", "Looked at", "filter_words", 220, lambda row: row.filter_words or "every entry", sort=""),
        Column("entries", "Entries", "entries", 100, is_number=True, sort=""),
        Column("exceptions", "Exceptions", "exception_count", 110, is_number=True, sort=""),
        Column("open", "Open", "open_count", 90, is_number=True, sort=""),
        Column("signed_by", "Signed by", "signed_by__username", 130, lambda row: empty(row.signed_by), sort=""),
        Column("signed_at", "Signed", "signed_at", 160, sort=""),
    ),
    default_sort="-until",
    noun="review of the log",
    nouns="reviews of the log",
    empty_text=help_hint(
        "An auditor looks through a period of the activity log, notes exceptions, and signs the period off.",
        "evidence",
        "reviews",
        "How reviews work",
    ),
    card=Card("since", "state", "until", "entries"),
    opens="number",
    flexible=("looked_at",),
)


def rows() -> QuerySet[LogReview]:
    """Return the reviews with the number of their exceptions, and of those that are not closed."""
    is_open = Q(exceptions__closed_at=None) & ~Q(exceptions=None)
    counted = LogReview.objects.annotate(
        exception_count=Count("exceptions"), open_count=Count("exceptions", filter=is_open)
    )
    return counted.select_related("signed_by")


class LogReviewFilters(KeptFilterSet):
    """Filters of the reviews of the log."""

    state = django_filters.ChoiceFilter(
        label="State",
        choices=[("draft", "Being reviewed"), ("signed", "Signed off"), ("open", "With open exceptions")],
        empty_label="Any",
        method="by_state",
    )
    only_is = frozenset({"state"})

    class Meta:
        model = LogReview
        fields: list[str] = []

    def by_state(self, reviews: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Select reviews in that state."""
        if value == "open":
            return reviews.filter(open_count__gt=0)
        return reviews.filter(signed_at=None) if value == "draft" else reviews.exclude(signed_at=None)
