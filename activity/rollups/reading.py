"""Answer the chart from the counts, and count by themselves only the entries that they do not hold.

These are the entries that no worker has counted yet, and those of the quarters in which the period begins and ends. So
the answer is that of counting all entries.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import operator
from collections.abc import Callable

from django.db.models import BigIntegerField, Case, F, Max, Min, Q, QuerySet, Sum, Value, When
from django.db.models.expressions import Combinable

from activity.models import Level, LogEntry, Outcome
from activity.period import Span
from activity.quarters import QUARTER, QUARTERS_A_DAY
from activity.quarters import counted as one_by_one
from activity.rollups.counting import prunings
from activity.rollups.models import OTHER, Rollup, RollupState, columns

MOST_LEFT = 100_000  # entries that are not counted yet; with more of them, all are counted along the index of times
Counts = list[tuple[int, int, int]]  # a quarter of an hour, its entries, and those of them that are problems
Offset = Callable[[int], int]  # by how many seconds the viewer's wall clock is ahead of UTC in a quarter
TRIES = 2  # a worker may count in the middle of an answer
FIRST, AFTER_LAST = -(2**62), 2**62  # quarters


@dataclasses.dataclass(frozen=True, slots=True)
class Narrowing:
    """What entries are narrowed down by besides the time: nothing but levels and outcomes, which the counts know."""

    levels: frozenset[int] = frozenset(Level.values)
    outcomes: frozenset[str] = frozenset((*Outcome.values, OTHER))

    @property
    def is_everything(self) -> bool:
        """Return whether it lets every entry through."""
        return self == Narrowing()

    def __call__(self, entries: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        """Return those of the entries that it lets through."""
        if len(self.levels) < len(Level):
            entries = entries.filter(level__in=self.levels)
        if len(self.outcomes) <= len(Outcome):
            among = Q(outcome__in=self.outcomes)
            others = ~Q(outcome__in=set(Outcome.values))
            entries = entries.filter(among | others if OTHER in self.outcomes else among)
        return entries


def counted(
    entries: QuerySet[LogEntry], span: Span, narrowing: Narrowing, days_of: Offset | None = None
) -> Counts | None:
    """Return the counts of `entries`, which are those of `span` and `narrowing`. A quarter may be there several times.

    With `days_of`, the database adds up the days of that wall clock: a year is then 366 rows instead of 35,000, each by
    one of its quarters.

    Return None when they have to be counted one by one: nothing is counted yet, too much is left, or entries were
    deleted that are still in the counts.
    """
    states = RollupState.objects.using(entries.db).filter(pk=RollupState.THE_ROW)
    state = states.first()
    for _ in range(TRIES):
        if state is None or not _can_answer(entries.db, state, span):
            return None
        found = _found(entries, state, span, narrowing, days_of)
        # These are several statements: nothing may have changed the counts between them, or deleted entries.
        before, state = state, states.first()
        if state is not None and state.version == before.version and prunings(entries.db) == state.prunings:
            return found
    return None


def _can_answer(database: str, state: RollupState, span: Span) -> bool:
    first, after = _whole_quarters(span)
    if not state.last_id or first >= after or prunings(database) != state.prunings:
        return False
    newest = LogEntry.objects.using(database).aggregate(newest=Max("pk"))["newest"] or 0
    return bool(newest - state.last_id <= MOST_LEFT)


def _found(
    entries: QuerySet[LogEntry], state: RollupState, span: Span, narrowing: Narrowing, days_of: Offset | None
) -> Counts:
    first, after = _whole_quarters(span)
    rows = Rollup.objects.using(entries.db).filter(quarter__gte=first, quarter__lt=after).order_by()
    found = _rolled(rows, narrowing) if days_of is None else _days(rows, narrowing, days_of)
    found += _not_yet(entries.db, state, (first, after), narrowing)
    if span.start is not None:
        found += one_by_one(entries.filter(at__lt=_moment(first)))
    if span.end is not None:
        found += one_by_one(entries.filter(at__gte=_moment(after)))
    return found


def _whole_quarters(span: Span) -> tuple[int, int]:
    """Return the first quarter that lies wholly in the period, and the one after the last."""
    first = -int(-span.start.timestamp() // QUARTER) if span.start is not None else FIRST
    return first, int(span.end.timestamp() // QUARTER) if span.end is not None else AFTER_LAST


def _moment(quarter: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(quarter * QUARTER, dt.UTC)


def _rolled(rows: QuerySet[Rollup], narrowing: Narrowing) -> Counts:
    return [row for row in rows.values_list("quarter", *_sums(narrowing)) if row[1]]


def _days(rows: QuerySet[Rollup], narrowing: Narrowing, offset: Offset) -> Counts:
    """Return the sums of days of a wall clock, each with its first quarter that has entries."""
    bounds = rows.aggregate(first=Min("quarter"), last=Max("quarter"))
    if bounds["first"] is None:
        return []
    changes = _changes(bounds["first"], bounds["last"] + 1, offset)
    ahead = Case(
        *(When(quarter__lt=until, then=Value(quarters)) for until, quarters in changes), output_field=BigIntegerField()
    )
    total, problems = _sums(narrowing)
    days = rows.annotate(day=(F("quarter") + ahead) / QUARTERS_A_DAY).values("day")
    found = days.annotate(first=Min("quarter"), total=Sum(total), problems=Sum(problems))
    return [row for row in found.values_list("first", "total", "problems") if row[1]]


def _changes(first: int, after: int, offset: Offset) -> list[tuple[int, int]]:
    """Return until which quarter the wall clock is how many quarters ahead of UTC, in order and up to `after`."""
    changes = []
    for day in range(first, after, QUARTERS_A_DAY):
        end = min(day + QUARTERS_A_DAY, after)
        if offset(day) != offset(end):
            changes += [(each + 1, offset(each)) for each in range(day, end) if offset(each) != offset(each + 1)]
    return [(until, seconds // QUARTER) for until, seconds in [*changes, (after, offset(after))]]


def _sums(narrowing: Narrowing) -> tuple[Combinable, Combinable]:
    """Return what adds up all entries of a row, and those of them that are problems."""
    problems = [level for level in narrowing.levels if level >= Level.WARNING]
    return _sum(columns(narrowing.levels, narrowing.outcomes)), _sum(columns(problems, narrowing.outcomes))


def _sum(names: list[str]) -> Combinable:
    fields: list[Combinable] = [F(name) for name in sorted(names)]
    return functools.reduce(operator.add, fields) if fields else Value(0)


def _not_yet(database: str, state: RollupState, quarters: tuple[int, int], narrowing: Narrowing) -> Counts:
    """Count the entries after the cursor, found by their numbers alone: an index of times would find a year of them."""
    first, after = quarters
    later = narrowing(LogEntry.objects.using(database).filter(pk__gt=state.last_id))
    return [one for one in one_by_one(later) if first <= one[0] < after]
