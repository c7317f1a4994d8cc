"""What a list of privileged sessions can be narrowed by."""

from __future__ import annotations

import datetime as dt
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.utils import timezone

from activity.filters import AccountFilter, AccountFilterSet
from sessions_app.privileged.models import ENDED, LIVE, WITHDRAWN, PrivilegedSession, Status

FIRST_DAY, LAST_DAY = dt.date(1970, 1, 2), dt.date(9999, 12, 30)  # every zone can tell their midnight


def midnight(day: dt.date) -> dt.datetime:
    """When `day` begins in the viewer's zone."""
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min))


class DayField(forms.DateField):
    """A day that has a midnight everywhere."""

    widget = forms.DateInput(attrs={"type": "date"})

    def clean(self, value: Any) -> Any:
        """Raises ValidationError for days that no calendar of ours reaches."""
        day = super().clean(value)
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            raise forms.ValidationError("Enter a day between 1970 and 9999.")
        return day


class DayFilter(django_filters.Filter):  # type: ignore[misc]  # the package has no types
    """From the beginning of a day, or to its end, in the viewer's zone; compares times, so that an index helps."""

    field_class = DayField

    def __init__(self, field_name: str, *, is_end: bool = False, label: str) -> None:
        super().__init__(field_name=field_name, label=label)
        self.is_end = is_end

    def filter(self, qs: QuerySet[Any], value: dt.date | None) -> QuerySet[Any]:
        """Rows on this side of the day."""
        if value is None:
            return qs
        if self.is_end:
            return qs.filter(**{f"{self.field_name}__lt": midnight(value + dt.timedelta(days=1))})
        return qs.filter(**{f"{self.field_name}__gte": midnight(value)})


class SessionFilters(AccountFilterSet):
    """User, host, activity, and the days of the request."""

    user: AccountFilter | None = AccountFilter("user_id")
    host = django_filters.CharFilter("resource_name", "folded_contains", label="Host", max_length=120)
    activity = django_filters.CharFilter("activity_name", "folded_contains", label="Activity", max_length=120)
    requested_from = DayFilter("requested_at", label="Requested from")
    requested_to = DayFilter("requested_at", is_end=True, label="Requested to")

    class Meta:
        model = PrivilegedSession
        fields: list[str] = []


def _choices(statuses: frozenset[Status]) -> list[tuple[str, str]]:
    return [(status.value, status.label) for status in Status if status in statuses]


def _with_withdrawn(choices: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """With a choice for some of those that are Complete, right behind it."""
    behind = [value for value, _ in choices].index(Status.COMPLETE) + 1
    return [*choices[:behind], (StatusFilter.WITHDRAWN, f"{Status.COMPLETE.label}, {WITHDRAWN}"), *choices[behind:]]


class StatusFilter(django_filters.ChoiceFilter):  # type: ignore[misc]  # the package has no types
    """By a status, or by what is Complete because its requester withdrew it."""

    WITHDRAWN = "withdrawn"

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Rows of that status."""
        if value == self.WITHDRAWN:
            return qs.filter(status=Status.COMPLETE, start_at=None)
        found: QuerySet[Any] = super().filter(qs, value)
        return found


class ActiveFilters(SessionFilters):
    """Also by the statuses of the tab Active."""

    status = django_filters.ChoiceFilter(choices=_choices(LIVE), label="Status", empty_label="Any status")


class HistoricalFilters(SessionFilters):
    """Also by the statuses of the tab Historical."""

    status = StatusFilter(choices=_with_withdrawn(_choices(ENDED)), label="Status", empty_label="Any status")


class AnyStatusFilters(SessionFilters):
    """Also by every status, for lists that mix them (pages of users, groups and applications)."""

    status = StatusFilter(choices=_with_withdrawn(Status.choices), label="Status", empty_label="Any status")
