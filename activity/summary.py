"""The figures above the activity log: entries over time, counted by the database, and sessions with their durations.

Knows nothing of sessions: the app that has them says at start who counts them (`provide_sessions`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from activity.chart import Bucket
from activity.models import Level, LogEntry
from activity.period import Span
from activity.quarters import QUARTER, QUARTERS_A_DAY, Quarter
from activity.rollups.reading import Narrowing, Offset
from activity.rollups.reading import counted as from_rollups


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """How many sessions, and how long they lasted; no durations where there is no session."""

    count: int = 0
    total: dt.timedelta | None = None
    average: dt.timedelta | None = None
    minimum: dt.timedelta | None = None
    maximum: dt.timedelta | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SessionSummary:
    """The figures of all sessions of a period, and of the users with the longest total duration."""

    overall: Figures = Figures()
    top: tuple[tuple[str, Figures], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class SessionQuestion:
    """What is asked about sessions: those that `viewer` may see and that started within `span`.

    `people` are keys of users; None means everybody. Those of `without` are left out. `top` is the number of first
    users. `database` is where they are read.
    """

    viewer: AbstractUser | AnonymousUser
    people: tuple[int, ...] | None
    span: Span
    now: dt.datetime
    top: int
    database: str = DEFAULT_DB_ALIAS
    without: tuple[int, ...] = ()


_provider: list[Callable[[SessionQuestion], SessionSummary]] = []


def provide_sessions(count: Callable[[SessionQuestion], SessionSummary]) -> None:
    """Set the function that counts sessions. The app that has sessions calls this once at start."""
    _provider[:] = [count]


def sessions(question: SessionQuestion) -> SessionSummary:
    """Return the sessions of a period; none where no app has any."""
    return _provider[0](question) if _provider else SessionSummary()


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """How fine the chart is, and how people write it."""

    name: str
    label: str  # strftime
    tick: str  # strftime


HOUR = Step("hour", "%a %d %b %Y, %H:00", "%d %b %H:00")
DAY = Step("day", "%a %d %b %Y", "%d %b")
WEEK = Step("week", "the week of %d %b %Y", "%d %b")
MONTH = Step("month", "%B %Y", "%b %Y")

HOUR_LONG, DAY_LONG = 3600, 86400  # seconds
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - by the wall clock, as are all steps


def step_for(span: Span, now: dt.datetime) -> Step:
    """Return hours for up to 3 days, days for up to 3 months, weeks for up to 2 years, months for more."""
    if span.start is None:
        return MONTH
    length = (min(span.end, now) if span.end is not None else now) - span.start
    if length <= dt.timedelta(days=3):
        return HOUR
    if length <= dt.timedelta(days=93):
        return DAY
    return WEEK if length <= dt.timedelta(days=731) else MONTH


def buckets(
    entries: QuerySet[LogEntry], span: Span, now: dt.datetime, narrowing: Narrowing | None = None
) -> list[Bucket]:
    """Return the entries for each step of time in the viewer's zone, the empty steps too.

    `narrowing` says that nothing but the time, levels and outcomes narrows `entries` down, and to which.
    """
    step = step_for(span, now)
    offset = _offsets(timezone.get_current_timezone())
    counted = _counted(entries, span, narrowing, None if step is HOUR else offset)
    if step is HOUR:
        quarters: dict[int, tuple[int, int]] = {}
        for quarter, total, problems in counted:
            _add(quarters, quarter, total, problems)
        return _hours(quarters, span, now, offset)
    found = _count(counted, step, offset)
    if not found:
        return []
    first, last = min(found), max(found)
    if step is not MONTH and span.start is not None:
        first = min(first, _start_of_step(_wall(span.start), step))
        end = min(span.end - dt.timedelta(microseconds=1), now) if span.end is not None else now
        last = max(last, _start_of_step(_wall(end), step))
    return [
        Bucket(f"{at:{step.label}}", f"{at:{step.tick}}", *found.get(at, (0, 0))) for at in _walk(first, last, step)
    ]


Key = TypeVar("Key")
Counted = Iterable[tuple[int, int, int]]  # a quarter of an hour, its entries, and those of them that are problems


def _counted(entries: QuerySet[LogEntry], span: Span, narrowing: Narrowing | None, days_of: Offset | None) -> Counted:
    """Return the counts in the quickest way that there is. A quarter may be there several times.

    With `days_of`, those of a whole day of that wall clock may stand together by one quarter of the day.
    """
    if narrowing is None:
        return _of_rows(entries)
    found = from_rollups(entries, span, narrowing, days_of)
    if found is not None:
        return found
    return _of_indexes(entries) if narrowing.is_everything else _of_rows(entries)


def _add(counts: dict[Key, tuple[int, int]], key: Key, total: int, problems: int) -> None:
    before = counts.get(key, (0, 0))
    counts[key] = (before[0] + total, before[1] + problems)


def _of_rows(entries: QuerySet[LogEntry]) -> Counted:
    """Return the counts by reading each entry once."""
    problems = Count("pk", filter=Q(level__gte=Level.WARNING))
    counted: Counted = _by_quarter(entries).annotate(total=Count("pk"), problems=problems)
    return counted


def _of_indexes(entries: QuerySet[LogEntry]) -> Counted:
    """Return the same counts by two queries that read only indexes, which takes half the time for millions."""
    problems = dict(_by_quarter(entries.filter(level__gte=Level.WARNING)).annotate(total=Count("*")))
    for quarter, total in _by_quarter(entries).annotate(total=Count("*")):
        yield quarter, total, problems.get(quarter, 0)


def _by_quarter(entries: QuerySet[LogEntry]) -> QuerySet[Any, Any]:
    return entries.order_by().annotate(quarter=Quarter("at")).values_list("quarter")


def _hours(counted: Mapping[int, tuple[int, int]], span: Span, now: dt.datetime, offset: Offset) -> list[Bucket]:
    """Return a bucket for each hour.

    Where clocks are set back, both hours of one name are there, with how far each is ahead of UTC.
    """
    if not counted:
        return []

    def hour_of(quarter: int) -> tuple[int, int]:
        ahead = offset(quarter)
        return (quarter * QUARTER + ahead) // HOUR_LONG, ahead

    end = min(span.end - dt.timedelta(microseconds=1), now) if span.end is not None else now
    bounds = [int(moment.timestamp()) // QUARTER for moment in (span.start, end) if moment is not None]
    quarters = range(min(*bounds, *counted), max(*bounds, *counted) + 1)
    hours: dict[tuple[int, int], tuple[int, int]] = {}
    for quarter in quarters:
        _add(hours, hour_of(quarter), *counted.get(quarter, (0, 0)))
    named = Counter(hour for hour, _ in hours)
    return [_hour(hour, ahead if named[hour] > 1 else None, *numbers) for (hour, ahead), numbers in hours.items()]


def _hour(hour: int, ahead: int | None, total: int, problems: int) -> Bucket:
    """Return the bucket of an hour of the wall clock, with its offset from UTC in seconds where one is given."""
    at = EPOCH + dt.timedelta(hours=hour)
    if ahead is None:
        return Bucket(f"{at:{HOUR.label}}", f"{at:{HOUR.tick}}", total, problems)
    zone = f"{'-' if ahead < 0 else '+'}{abs(ahead) // HOUR_LONG:02}:{abs(ahead) % HOUR_LONG // 60:02}"
    return Bucket(f"{at:{HOUR.label}} UTC{zone}", f"{at:%H:00} {zone}", total, problems)


def _count(counted: Counted, step: Step, offset: Offset) -> dict[dt.datetime, tuple[int, int]]:
    """Return all entries, and those that are problems, for each step of days or more that has any.

    Steps follow the wall clock. The database counts quarters of an hour and knows no time zone, because the counts are
    kept for viewers of all zones, and SQLite would call Python for each entry.
    """
    days: dict[int, tuple[int, int]] = {}
    for quarter, total, problems in counted:
        number = (quarter * QUARTER + offset(quarter)) // DAY_LONG
        _add(days, number, total, problems)
    found: dict[dt.datetime, tuple[int, int]] = {}
    for number, (total, problems) in days.items():
        _add(found, _start_of_step(EPOCH + dt.timedelta(days=number), step), total, problems)
    return found


def _offsets(zone: dt.tzinfo) -> Offset:
    """Return a function: by how many seconds the wall clock is ahead of UTC in a quarter of an hour.

    The zone is asked twice a day, and for each quarter only on days on which it changes: a year has 35,000.
    """

    @functools.cache
    def ask(quarter: int) -> int:
        ahead = dt.datetime.fromtimestamp(quarter * QUARTER, zone).utcoffset()
        return int((ahead or dt.timedelta()).total_seconds())

    def offset(quarter: int) -> int:
        day = quarter - quarter % QUARTERS_A_DAY
        begins, ends = ask(day), ask(day + QUARTERS_A_DAY)
        return begins if begins == ends else ask(quarter)

    return offset


def _wall(moment: dt.datetime) -> dt.datetime:
    return timezone.localtime(moment).replace(tzinfo=None)


def _start_of_step(wall: dt.datetime, step: Step) -> dt.datetime:
    day = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if step is MONTH:
        return day.replace(day=1)
    return day - dt.timedelta(days=day.weekday()) if step is WEEK else day


def _walk(at: dt.datetime, last: dt.datetime, step: Step) -> Iterator[dt.datetime]:
    while at <= last:
        yield at
        if step is MONTH:
            at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
        else:
            at += dt.timedelta(days=7 if step is WEEK else 1)
