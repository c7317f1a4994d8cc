"""The time period that a page is about: the choices of "Time period", and what they mean right now. Pure."""

from __future__ import annotations

import calendar
import dataclasses
import datetime as dt
import re
from collections.abc import Mapping

from django.db import models
from django.utils import timezone

# Nothing was logged before the first day. After the last day, the end of a period could lie beyond the year 9999, which
# Python cannot express.
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MINUTE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(?::[0-9.]+)?")  # seconds are left out
START_OF_DAY, END_OF_DAY = "00:00", "23:59"
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

    These two count only with the period "custom", or with none. Each is a day or a minute, and is included. They are in
    the current time zone, where days begin at midnight; a month is a calendar month. Raises PeriodProblem.
    """
    since, until = parameters.get("since", "").strip(), parameters.get("until", "").strip()
    asked = parameters.get("period", "") or (Period.CUSTOM if since or until else DEFAULT)
    if asked not in Period.values:
        raise PeriodProblem("period", f"There is no time period called “{asked[:40]}”.")
    period = Period(asked)
    if period == Period.CUSTOM:
        return _between(_read_moment("since", since), _read_moment("until", until))
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


def whole_days(field: str, text: str) -> str:
    """Return a date as the first or the last minute of its day, for a field that shows minutes; else the text."""
    return f"{text}T{END_OF_DAY if field == 'until' else START_OF_DAY}" if DATE.fullmatch(text) else text


def _read_moment(field: str, text: str) -> Moment | None:
    """Return the day, and the minute of it if it is not the whole day."""
    if not text:
        return None
    day, time = text, ""
    if match := MINUTE.fullmatch(text):
        day, time = match[1], match[2]
    try:
        date = min(max(dt.date.fromisoformat(day), FIRST_DAY), LAST_DAY)
        if time in ("", END_OF_DAY if field == "until" else START_OF_DAY):
            return Moment(field, date, None)
        return Moment(field, date, dt.time.fromisoformat(time))
    except ValueError as error:
        typed = day if time in (START_OF_DAY, END_OF_DAY) else text  # a field for minutes adds these to a date
        raise PeriodProblem(
            field, f"“{typed[:40]}” is not a date. Write it as 2026-01-31, or with a time as 2026-01-31T14:30."
        ) from error


def _between(since: Moment | None, until: Moment | None) -> Span:
    start = since.instant() if since is not None else None
    end = until.instant() if until is not None else None
    if start is not None and end is not None and start >= end:
        raise PeriodProblem("since", f"{since} is later than the end, {until}.")
    if since is not None and until is not None:
        return Span(start, end, f"from {since} to {until}", f"{since.slug}-to-{until.slug}")
    if since is not None:
        return Span(start, end, f"since {since}", f"since-{since.slug}")
    if until is not None:
        return Span(start, end, f"until {until}", f"until-{until.slug}")
    return Span(None, None, "at any time", "whole-log")


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """One end of a period in the current time zone: a whole day, or a minute, which is included."""

    field: str
    day: dt.date
    time: dt.time | None

    def __str__(self) -> str:
        return f"{self.day}" if self.time is None else f"{self.day} {self.time:%H:%M}"

    @property
    def slug(self) -> str:
        """Return it for the name of a file."""
        return f"{self.day}" if self.time is None else f"{self.day}T{self.time:%H%M}"

    def instant(self) -> dt.datetime:
        """Return when the period begins, or when it is over, in UTC.

        Of a minute that the clocks showed twice, the first begins a period and the second ends it. Raise PeriodProblem
        for one that they never showed.
        """
        is_end = self.field == "until"
        if self.time is None:
            return _midnight(self.day + dt.timedelta(days=1) if is_end else self.day)
        zone = timezone.get_current_timezone()
        local = dt.datetime.combine(self.day, self.time)
        found = local.replace(tzinfo=zone, fold=int(is_end)).astimezone(dt.UTC)
        if found.astimezone(zone).replace(tzinfo=None) != local:
            raise PeriodProblem(
                self.field, f"The time {self} does not exist in {zone}: the clocks were put forward over it."
            )
        return found + dt.timedelta(minutes=1) if is_end else found


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.min, timezone.get_current_timezone()).astimezone(dt.UTC)
