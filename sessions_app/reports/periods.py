"""The period of a report: whole days, weeks, months, quarters and years of the viewer's calendar, or two dates."""

from __future__ import annotations

import dataclasses
import datetime as dt

from django.db import models
from django.utils import timezone


class ReportPeriod(models.TextChoices):
    """The choices of "Period". Weeks begin on Monday (ISO 8601)."""

    LAST_30_DAYS = "last-30-days", "Last 30 days"
    YESTERDAY = "last-day", "Yesterday"
    THIS_WEEK = "this-week", "This week"
    LAST_WEEK = "last-week", "Last week"
    THIS_MONTH = "this-month", "This month"
    LAST_MONTH = "last-month", "Last month"
    THIS_QUARTER = "this-quarter", "This quarter"
    LAST_QUARTER = "last-quarter", "Last quarter"
    THIS_YEAR = "this-year", "This year"
    LAST_YEAR = "last-year", "Last year"
    CUSTOM = "custom", "From – to"


MONTHS = {"month": 1, "quarter": 3, "year": 12}  # of each unit


@dataclasses.dataclass(frozen=True, slots=True)
class Days:
    """The days from `first` to `last`, both included, in the viewer's time zone."""

    first: dt.date
    last: dt.date

    @property
    def start(self) -> dt.datetime:
        """Return the first moment of the period, in UTC."""
        return _midnight(self.first)

    @property
    def end(self) -> dt.datetime:
        """Return the first moment after the period, in UTC."""
        return _midnight(self.last + dt.timedelta(days=1))

    @property
    def words(self) -> str:
        return f"{self.first} to {self.last}" if self.first != self.last else str(self.first)

    @property
    def slug(self) -> str:
        return f"{self.first}-to-{self.last}"


def days_of(period: ReportPeriod, today: dt.date) -> Days:
    """Return the days of a period that is not custom. What is still going on ends with its last day."""
    if period == ReportPeriod.LAST_30_DAYS:
        return Days(today - dt.timedelta(days=29), today)
    which, _, unit = period.value.partition("-")
    is_last = which == "last"
    if unit == "day":
        day = today - dt.timedelta(days=1)
        return Days(day, day)
    if unit == "week":
        monday = today - dt.timedelta(days=today.weekday() + 7 * is_last)
        return Days(monday, monday + dt.timedelta(days=6))
    months = MONTHS[unit]
    count = today.year * 12 + today.month - 1
    count -= count % months + months * is_last
    return Days(_first_of(count), _first_of(count + months) - dt.timedelta(days=1))


def _first_of(count: int) -> dt.date:
    """Return the first day of a month, which is counted from the year 0."""
    return dt.date(count // 12, count % 12 + 1, 1)


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min)).astimezone(dt.UTC)
