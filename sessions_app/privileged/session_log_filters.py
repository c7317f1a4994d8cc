"""Filters of the log of one session."""

from __future__ import annotations

import django_filters
from django.db.models import Q, QuerySet

from activity.filters import LEVEL_CHOICES, LEVELS, of_levels
from activity.listing.filterset import KeptFilterSet
from activity.models import LogEntry
from sessions_app.privileged.filters import DayFilter


class LevelFilter(django_filters.ChoiceFilter):  # type: ignore[misc]  # the package has no types
    """Filters by the levels of a choice."""

    def filter(self, queryset: QuerySet[LogEntry], value: str) -> QuerySet[LogEntry]:
        """Select the entries of these levels."""
        return of_levels(queryset, value, is_not=False)

    def condition(self, value: str, *, is_exact: bool) -> Q:
        """Return the condition for these entries."""
        return Q(level__in=LEVELS[value])


class SessionLogFilters(KeptFilterSet):
    """Filters by level and days."""

    level = LevelFilter(choices=LEVEL_CHOICES, label="Level", empty_label="All levels")
    at_from = DayFilter("at", label="From")
    at_to = DayFilter("at", is_end=True, label="To")

    class Meta:
        model = LogEntry
        fields: list[str] = []
