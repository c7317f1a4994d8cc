"""Filters of the lists of privileged sessions."""

from __future__ import annotations

import datetime as dt
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.urls import reverse_lazy
from django.utils import timezone

from activity.filters import AccountFilter, AccountFilterSet
from sessions_app.privileged.models import ENDED, LIVE, WITHDRAWN, PrivilegedSession, Status

FIRST_DAY, LAST_DAY = dt.date(1970, 1, 2), dt.date(9999, 12, 30)  # midnight of these days exists in every time zone


def midnight(day: dt.date) -> dt.datetime:
    """Return when `day` begins in the viewer's time zone."""
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min))


class DayField(forms.DateField):
    """A form field for a day whose midnight exists in every time zone."""

    widget = forms.DateInput(attrs={"type": "date"})

    def clean(self, value: Any) -> Any:
        """Return the day. Raise ValidationError for the first and the last days of Python's calendar."""
        day = super().clean(value)
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            raise forms.ValidationError("Enter a day between 1970 and 9999.")
        return day


class DayFilter(django_filters.Filter):  # type: ignore[misc]  # the package has no types
    """Filters by the beginning or the end of a day in the viewer's time zone.

    Compares times, so that an index is used.
    """

    field_class = DayField

    def __init__(self, field_name: str, *, is_end: bool = False, label: str) -> None:
        super().__init__(field_name=field_name, label=label)
        self.is_end = is_end

    def filter(self, qs: QuerySet[Any], value: dt.date | None) -> QuerySet[Any]:
        if value is None:
            return qs
        if self.is_end:
            return qs.filter(**{f"{self.field_name}__lt": midnight(value + dt.timedelta(days=1))})
        return qs.filter(**{f"{self.field_name}__gte": midnight(value)})


def suggesting(kind: str) -> forms.TextInput:
    """Return a field that looks up names of that kind while somebody types (suggestions.py).

    Its datalist is `<kind>-names`, which every list has (templates/activity/listing/_filter_fields.html).
    """
    return forms.TextInput(
        {
            "list": f"{kind}-names",
            "autocomplete": "off",
            "hx-get": reverse_lazy("session_names", args=[kind]),
            "hx-trigger": "focus once, input changed delay:200ms",
            "hx-target": f"#{kind}-names",
            "hx-swap": "innerHTML",
            "hx-push-url": "false",
            "hx-sync": "this:replace",
        }
    )


class SessionFilters(AccountFilterSet):
    """Filters by user, host, activity, and the days of the request."""

    user: AccountFilter | None = AccountFilter("user_id", widget=suggesting("user"))
    host = django_filters.CharFilter(
        "resource_name", "folded_contains", label="Host", max_length=120, widget=suggesting("host")
    )
    activity = django_filters.CharFilter(
        "activity_name", "folded_contains", label="Activity", max_length=120, widget=suggesting("activity")
    )
    requested_from = DayFilter("requested_at", label="Requested from")
    requested_to = DayFilter("requested_at", is_end=True, label="Requested to")

    class Meta:
        model = PrivilegedSession
        fields: list[str] = []


def _choices(statuses: frozenset[Status]) -> list[tuple[str, str]]:
    return [(status.value, status.label) for status in Status if status in statuses]


def _with_withdrawn(choices: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the choices with one for withdrawn sessions after Complete."""
    behind = [value for value, _ in choices].index(Status.COMPLETE) + 1
    return [*choices[:behind], (StatusFilter.WITHDRAWN, f"{Status.COMPLETE.label}, {WITHDRAWN}"), *choices[behind:]]


class StatusFilter(django_filters.ChoiceFilter):  # type: ignore[misc]  # the package has no types
    """Filters by a status, or by sessions that are Complete because their requester withdrew them."""

    WITHDRAWN = "withdrawn"

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.filter(self.condition(value, is_exact=True)) if value else qs

    def condition(self, value: str, *, is_exact: bool) -> Q:
        """Return the condition for the sessions of that status."""
        if value == self.WITHDRAWN:
            return Q(status=Status.COMPLETE, start_at=None)
        return Q(status=value)


class ActiveFilters(SessionFilters):
    """The filters of the tab Active, with its statuses."""

    status = django_filters.ChoiceFilter(choices=_choices(LIVE), label="Status", empty_label="Any status")


class HistoricalFilters(SessionFilters):
    """The filters of the tab Historical, with its statuses."""

    status = StatusFilter(choices=_with_withdrawn(_choices(ENDED)), label="Status", empty_label="Any status")


class AnyStatusFilters(SessionFilters):
    """The filters of lists with sessions of every status, on the pages of users, groups and applications."""

    status = StatusFilter(choices=_with_withdrawn(Status.choices), label="Status", empty_label="Any status")
