"""The filters of recordings, and of the lines found in them."""

from __future__ import annotations

import django_filters

from activity.filters import AccountFilter, AccountFilterSet
from activity.text_index import Search, Term, held_by, words_of
from sessions_app.gateway.recordings.models import LINE_WORDS, Recording, RecordingText
from sessions_app.privileged.filters import DayFilter, suggesting


class RecordingFilters(AccountFilterSet):
    """Filters by user, by host, and by the days on which recordings began."""

    user = AccountFilter("session__user_id", widget=suggesting("user"))
    host = django_filters.CharFilter(
        "session__resource_name", "folded_contains", label="Host", max_length=120, widget=suggesting("host")
    )
    started_from = DayFilter("started_at", label="From")
    started_to = DayFilter("started_at", is_end=True, label="To")

    class Meta:
        model = Recording
        fields: list[str] = []


class LineFilters(AccountFilterSet):
    """The same filters, for the recording in which a line was found."""

    user = AccountFilter("recording__session__user_id", widget=suggesting("user"))
    host = django_filters.CharFilter(
        "recording__session__resource_name", "folded_contains", label="Host", max_length=120, widget=suggesting("host")
    )
    started_from = DayFilter("recording__started_at", label="From")
    started_to = DayFilter("recording__started_at", is_end=True, label="To")

    class Meta:
        model = RecordingText
        fields: list[str] = []


def line_search(text: str) -> Search:
    """Return the search for lines with every word of `text`."""
    return Search(tuple(Term((word,), held_by(LINE_WORDS.columns, word)) for word in words_of(text)), LINE_WORDS)
