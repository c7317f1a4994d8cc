"""The figures above the activity log: entries over time, counted by the database, and sessions with their durations.

Knows nothing of sessions: the app that has them says at start who counts them (`provide_sessions`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Count, QuerySet
from django.utils import timezone

from activity.chart import Bucket
from activity.models import Level, LogEntry
from activity.period import Span
from activity.quarters import QUARTER, QUARTERS_A_DAY, Counted, by_quarter, counted
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
    """How fine the chart is, and how people write it. The formats are those of strftime."""

    name: str
    label: str
    tick: str
    within: str = "%d %b %H:%M"  # a moment in it, in the label
    begun: str = "%d %b %H:%M"  # the same as tick


HOUR = Step("hour", "%a %d %b %Y, %H:00", "%d %b %H:00", within="%H:%M")
DAY = Step("day", "%a %d %b %Y", "%d %b", within="%H:%M")
WEEK = Step("week", "the week of %d %b %Y", "%d %b")
MONTH = Step("month", "%B %Y", "%b %Y", begun="%d %b %Y")

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

    A step in which the period begins or ends says so, because it is shown in part. `narrowing` says that nothing
    but the time, levels and outcomes narrows `entries` down, and to which.
    """
    step = step_for(span, now)
    offset = _offsets(timezone.get_current_timezone())
    numbers = _counted(entries, span, narrowing, None if step is HOUR else offset)
    if step is HOUR:
        quarters: dict[int, tuple[int, int]] = {}
        for quarter, total, problems in numbers:
            _add(quarters, quarter, total, problems)
        return _hours(quarters, span, now, offset)
    found = _count(numbers, step, offset)
    if not found:
        return []
    first, last = min(found), max(found)
    if step is not MONTH and span.start is not None:
        first = min(first, _start_of_step(_wall(span.start), step))
        end = min(span.end - dt.timedelta(microseconds=1), now) if span.end is not None else now
        last = max(last, _start_of_step(_wall(end), step))
    return [Bucket(*_named(at, step, span), *found.get(at, (0, 0))) for at in _walk(first, last, step)]


def _named(at: dt.datetime, step: Step, span: Span) -> tuple[str, str]:
    """Return the label and the tick of the step that begins `at`, by the wall clock."""
    label, tick, after = f"{at:{step.label}}", f"{at:{step.tick}}", _next(at, step)
    if span.start is not None and at < (start := _wall(span.start)) < after:
        label, tick = f"{label} (from {start:{step.within}})", f"{start:{step.begun}}"
    if span.end is not None and at < (end := _wall(span.end)) < after:
        label = f"{label} (until {end:{step.within}})"
    return label, tick


Key = TypeVar("Key")


def _counted(entries: QuerySet[LogEntry], span: Span, narrowing: Narrowing | None, days_of: Offset | None) -> Counted:
    """Return the counts in the quickest way that there is. A quarter may be there several times.

    With `days_of`, those of a whole day of that wall clock may stand together by one quarter of the day.
    """
    found = from_rollups(entries, span, narrowing, days_of) if narrowing is not None else None
    if found is not None:
        return found
    return _of_indexes(entries) if narrowing is not None and narrowing.is_everything else counted(entries)


def _add(counts: dict[Key, tuple[int, int]], key: Key, total: int, problems: int) -> None:
    before = counts.get(key, (0, 0))
    counts[key] = (before[0] + total, before[1] + problems)


def _of_indexes(entries: QuerySet[LogEntry]) -> Counted:
    """Return what counted() does by two queries that read only indexes, which takes half the time for millions."""
    problems = dict(by_quarter(entries.filter(level__gte=Level.WARNING)).annotate(total=Count("*")))
    for quarter, total in by_quarter(entries).annotate(total=Count("*")):
        yield quarter, total, problems.get(quarter, 0)


def _hours(found: Mapping[int, tuple[int, int]], span: Span, now: dt.datetime, offset: Offset) -> list[Bucket]:
    """Return a bucket for each hour.

    Where clocks are set back, both hours of one name are there, with how far each is ahead of UTC.
    """
    if not found:
        return []

    def hour_of(quarter: int) -> tuple[int, int]:
        ahead = offset(quarter)
        return (quarter * QUARTER + ahead) // HOUR_LONG, ahead

    end = min(span.end - dt.timedelta(microseconds=1), now) if span.end is not None else now
    bounds = [int(moment.timestamp()) // QUARTER for moment in (span.start, end) if moment is not None]
    quarters = range(min(*bounds, *found), max(*bounds, *found) + 1)
    hours: dict[tuple[int, int], tuple[int, int]] = {}
    for quarter in quarters:
        _add(hours, hour_of(quarter), *found.get(quarter, (0, 0)))
    named = Counter(hour for hour, _ in hours)
    return [
        Bucket(*(_twice(hour, ahead) if named[hour] > 1 else _named(_hour(hour), HOUR, span)), *numbers)
        for (hour, ahead), numbers in hours.items()
    ]


def _hour(hour: int) -> dt.datetime:
    return EPOCH + dt.timedelta(hours=hour)


def _twice(hour: int, ahead: int) -> tuple[str, str]:
    """Return label and tick of an hour of the wall clock that is there twice, with its offset from UTC (seconds)."""
    at = _hour(hour)
    zone = f"{'-' if ahead < 0 else '+'}{abs(ahead) // HOUR_LONG:02}:{abs(ahead) % HOUR_LONG // 60:02}"
    return f"{at:{HOUR.label}} UTC{zone}", f"{at:%H:00} {zone}"


def _count(numbers: Counted, step: Step, offset: Offset) -> dict[dt.datetime, tuple[int, int]]:
    """Return all entries, and those that are problems, for each step of days or more that has any.

    Steps follow the wall clock. The database counts quarters of an hour and knows no time zone, because the counts are
    kept for viewers of all zones, and SQLite would call Python for each entry.
    """
    days: dict[int, tuple[int, int]] = {}
    for quarter, total, problems in numbers:
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
        at = _next(at, step)


def _next(at: dt.datetime, step: Step) -> dt.datetime:
    if step is MONTH:
        return at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
    return at + {HOUR: dt.timedelta(hours=1), DAY: dt.timedelta(days=1), WEEK: dt.timedelta(days=7)}[step]
