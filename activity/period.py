"""The time period that a page is about: the choices of "Time period", and what they mean right now. Pure."""

from __future__ import annotations

import calendar
import dataclasses
import datetime as dt
from collections.abc import Mapping

from django.db import models
from django.utils import timezone

# Nothing was logged before the first day. After the last day, the end of a period could lie beyond the year 9999, which
# Python cannot express.
FIRST_DAY, LAST_DAY = dt.date(1970, 1, 2), dt.date(9999, 12, 29)


class Period(models.TextChoices):
    """The choices of "Time period". Without a choice the period is the last 7 days."""

    DAY = "24h", "24 hours"
    WEEK = "7d", "7 days"
    MONTH = "1m", "1 month"
    HALF_YEAR = "6m", "6 months"
    YEAR = "1y", "1 year"
    CUSTOM = "custom", "From – to"


DEFAULT = Period.WEEK
MONTHS = {Period.MONTH: 1, Period.HALF_YEAR: 6, Period.YEAR: 12}
WORDS = {
    Period.DAY: "in the last 24 hours",
    Period.WEEK: "in the last 7 days",
    Period.MONTH: "in the last month",
    Period.HALF_YEAR: "in the last 6 months",
    Period.YEAR: "in the last year",
}


class PeriodProblem(Exception):
    """The dates do not make a period. `field` names the field to correct; the text is for the person."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """The time from `start` until just before `end`, in UTC; None means no bound.

    `words` describes it for people, and `slug` is used in file names.
    """

    start: dt.datetime | None
    end: dt.datetime | None
    words: str
    slug: str


def read_span(parameters: Mapping[str, str], now: dt.datetime) -> Span:
    """Return the time that `period`, `since` and `until` ask for.

    The dates count only with the period "custom", or with none. Days begin at midnight in the current time zone and
    both dates are included; a month is a calendar month. Raises PeriodProblem.
    """
    since, until = parameters.get("since", "").strip(), parameters.get("until", "").strip()
    asked = parameters.get("period", "") or (Period.CUSTOM if since or until else DEFAULT)
    if asked not in Period.values:
        raise PeriodProblem("period", f"There is no time period called “{asked[:40]}”.")
    period = Period(asked)
    if period == Period.CUSTOM:
        return _between(_read_day("since", since), _read_day("until", until))
    if period in MONTHS:
        start = months_before(now, MONTHS[period])
    else:
        start = now - (dt.timedelta(days=1) if period == Period.DAY else dt.timedelta(days=7))
    words = WORDS[period]
    return Span(start, None, words, words.removeprefix("in the ").replace(" ", "-"))


def months_before(moment: dt.datetime, months: int) -> dt.datetime:
    """Return the same time of the same day so many months earlier, in UTC.

    The day is that of the current time zone. If the earlier month is shorter, it is the last day of that month.
    """
    local = timezone.localtime(moment)
    year, month = divmod(local.year * 12 + local.month - 1 - months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day).astimezone(dt.UTC)


def _read_day(field: str, text: str) -> dt.date | None:
    if not text:
        return None
    try:
        return min(max(dt.date.fromisoformat(text), FIRST_DAY), LAST_DAY)
    except ValueError as error:
        raise PeriodProblem(field, f"“{text[:40]}” is not a date. Write it as 2026-01-31.") from error


def _between(since: dt.date | None, until: dt.date | None) -> Span:
    if since is not None and until is not None and since > until:
        raise PeriodProblem("since", f"{since} is later than the end, {until}.")
    start = _midnight(since) if since is not None else None
    end = _midnight(until + dt.timedelta(days=1)) if until is not None else None
    if since is not None and until is not None:
        return Span(start, end, f"from {since} to {until}", f"{since}-to-{until}")
    if since is not None:
        return Span(start, end, f"since {since}", f"since-{since}")
    if until is not None:
        return Span(start, end, f"until {until}", f"until-{until}")
    return Span(None, None, "at any time", "whole-log")


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.min, timezone.get_current_timezone()).astimezone(dt.UTC)
