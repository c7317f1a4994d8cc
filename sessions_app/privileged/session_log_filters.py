"""Filters of the log of one session."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from activity.filters import LEVEL_CHOICES, LEVELS
from activity.listing.filterset import KeptFilterSet
from activity.models import LogEntry
from sessions_app.privileged.filters import DayFilter


class SessionLogFilters(KeptFilterSet):
    """Filters by level and days."""

    level = django_filters.ChoiceFilter(
        choices=LEVEL_CHOICES, label="Level", empty_label="All levels", method="of_level"
    )
    at_from = DayFilter("at", label="From")
    at_to = DayFilter("at", is_end=True, label="To")

    class Meta:
        model = LogEntry
        fields: list[str] = []

    def of_level(self, queryset: QuerySet[LogEntry], name: str, value: str) -> QuerySet[LogEntry]:
        """Filter by the chosen levels."""
        return queryset.filter(level__in=LEVELS[value])
