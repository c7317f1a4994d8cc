"""The filters of the log that a review keeps: what they mean in words, and how many entries fit them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from django.http import QueryDict

from activity.log_filter import LogFilter
from activity.models import LogEntry
from activity.period import Period
from sessions_app.errors import Refused

OF_THE_PERIOD = ("period", "since", "until")
OF_THE_LIST = ("sort", "after", "before", "last", "day", "csv", "format", "zip", "view")


def kept(sent: QueryDict) -> QueryDict:
    """Return the filters of an address of the log, without the period and without what only chooses a page."""
    filters = sent.copy()
    for name in list(filters):
        if name in (*OF_THE_PERIOD, *OF_THE_LIST) or not filters.get(name):
            del filters[name]
    return filters


def in_words(person: AbstractUser, filters: QueryDict) -> str:
    """Return what the filters select, such as “Level is Error”; an empty string for every entry."""
    read = _read(person, filters, LogEntry.objects.none())
    if not read.is_valid():
        return ""
    words = [f"{chip.label} {chip.words} {chip.value}" for chip in read.chips]
    keyword = read.form.cleaned_data.get("activity")
    return "; ".join([*words, *([f"keyword “{keyword}”"] if keyword else [])])


def looked_at(person: AbstractUser, filters: QueryDict, entries: QuerySet[LogEntry]) -> int:
    """Return how many of the entries fit the filters. Raise Refused if the log does not understand them any more."""
    read = _read(person, filters, entries)
    if not read.is_valid():
        raise Refused(
            "The log does not understand the filter of this review any more: what it names may be gone. Nothing was "
            "signed. Discard the review, and begin one with another filter."
        )
    found = cast("QuerySet[LogEntry]", read.qs)
    return (read.words.applied(found) if read.words is not None else found).count()


def _read(person: AbstractUser, filters: QueryDict, entries: QuerySet[LogEntry]) -> Any:
    data = filters.copy()
    data["period"] = Period.CUSTOM  # without dates: at any time
    return LogFilter(data, queryset=entries, request=SimpleNamespace(user=person))
