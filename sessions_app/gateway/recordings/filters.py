"""What recordings, and the lines found in them, can be narrowed by."""

from __future__ import annotations

import django_filters

from activity.filters import AccountFilter, AccountFilterSet
from sessions_app.gateway.recordings.models import Recording, RecordingText
from sessions_app.privileged.filters import DayFilter


class RecordingFilters(AccountFilterSet):
    """User, host, and the days on which they began."""

    user = AccountFilter("session__user_id")
    host = django_filters.CharFilter("session__resource_name", "folded_contains", label="Host", max_length=120)
    started_from = DayFilter("started_at", label="From")
    started_to = DayFilter("started_at", is_end=True, label="To")

    class Meta:
        model = Recording
        fields: list[str] = []


class LineFilters(AccountFilterSet):
    """The same of the recording in which a line was found."""

    user = AccountFilter("recording__session__user_id")
    host = django_filters.CharFilter(
        "recording__session__resource_name", "folded_contains", label="Host", max_length=120
    )
    started_from = DayFilter("recording__started_at", label="From")
    started_to = DayFilter("recording__started_at", is_end=True, label="To")

    class Meta:
        model = RecordingText
        fields: list[str] = []
