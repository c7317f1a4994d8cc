"""What recordings, and the lines found in them, can be narrowed by."""

from __future__ import annotations

import django_filters

from activity.listing.filterset import QuickFilterSet
from sessions_app.filters.sessions import DayFilter
from sessions_app.models import Recording, RecordingText


class RecordingFilters(QuickFilterSet):
    """User, host, and the days on which they began."""

    user = django_filters.CharFilter("session__user_name", "folded_contains", label="User", max_length=150)
    host = django_filters.CharFilter("session__resource_name", "folded_contains", label="Host", max_length=120)
    started_from = DayFilter("started_at", label="From")
    started_to = DayFilter("started_at", is_end=True, label="To")

    class Meta:
        model = Recording
        fields: list[str] = []


class LineFilters(QuickFilterSet):
    """The same of the recording in which a line was found."""

    user = django_filters.CharFilter("recording__session__user_name", "folded_contains", label="User", max_length=150)
    host = django_filters.CharFilter(
        "recording__session__resource_name", "folded_contains", label="Host", max_length=120
    )
    started_from = DayFilter("recording__started_at", label="From")
    started_to = DayFilter("recording__started_at", is_end=True, label="To")

    class Meta:
        model = RecordingText
        fields: list[str] = []
