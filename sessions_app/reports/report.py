"""What a report is: its words, its columns, what can be asked of it, and what it answers.

Each report is a subclass of Report in a module of this package. Its answer reads nothing until it is asked, so that a
page reads one page of rows and a file all of them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, cast

from django import forms
from django.db.models import QuerySet
from django.utils.safestring import SafeString

from activity.listing import Column, empty, moment
from activity.listing.keyset import Order, Page, ordering, read_page
from activity.time_limits import statements_without_limit
from sessions_app.reports.periods import Days, ReportPeriod

PAGE = 100  # rows
ROWS_AT_ONCE = 2000
TIME_WIDTH = 102
FEW = 2000  # rows that are found by the filters and sorted; more are read in the order of an index

Row = Any


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """What somebody asks of a report: the days, and the values of its own fields, as its form has checked them."""

    days: Days | None
    fields: Mapping[str, Any]
    now: dt.datetime

    def text(self, name: str) -> str:
        """Return what was entered into a field for text; an empty string for nothing."""
        return str(self.fields.get(name) or "").strip()

    @property
    def period(self) -> Days:
        """Return the days of a report that always has some."""
        if self.days is None:
            raise LookupError("This report has no period.")
        return self.days


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Which page of the rows is asked for, by the cursors of a page that was shown."""

    after: str = ""
    before: str = ""
    is_last: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """A small table above the rows: what there was how often, the most frequent first."""

    title: str
    heading: str
    lines: Sequence[tuple[str, int]]
    more: int = 0  # further lines that are not shown


Total = tuple[str, str]  # what, and how much, as text


class Answer:
    """What a report says to one question."""

    def totals(self) -> Sequence[Total]:
        """Return the figures on top."""
        raise NotImplementedError

    def counts(self) -> Sequence[Counts]:
        """Return the small tables between the figures and the rows."""
        return ()

    def count(self) -> int:
        """Return how many rows there are."""
        raise NotImplementedError

    def page(self, place: Place) -> Page:
        """Return one page of rows. Raise BadListRequest for a cursor that this report did not make."""
        raise NotImplementedError

    def rows(self) -> Iterator[Row]:
        """Yield every row of the report, for paper and files, in the order of the page."""
        raise NotImplementedError


class QueryAnswer(Answer):
    """An answer whose rows are those of a queryset, sorted by the field at `path`, by default the newest first."""

    def __init__(self, queryset: QuerySet[Any], path: str, *, is_descending: bool = True) -> None:
        self.queryset = queryset
        self.order = Order(path, is_descending)
        self._count: int | None = None

    def count(self) -> int:
        if self._count is None:
            self._count = self.queryset.order_by().values("pk").count()
        return self._count

    def page(self, place: Place) -> Page:
        rows = self.shown(self.queryset)
        is_few = self.count() <= FEW
        return read_page(
            rows, self.order, PAGE, after=place.after, before=place.before, last=place.is_last, is_few=is_few
        )

    def rows(self) -> Iterator[Row]:
        rows = self.shown(self.queryset).order_by(*ordering(self.queryset, self.order))
        with statements_without_limit(rows.db):
            yield from rows.iterator(chunk_size=ROWS_AT_ONCE)

    def shown(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows with what the columns read."""
        return queryset


class Report:
    """One report. The class attributes are its words; `answer()` reads what it shows."""

    slug: ClassVar[str]
    title: ClassVar[str]
    line: ClassVar[str]  # what it answers, on the page of all reports
    shows: ClassVar[str]  # what its rows are, on the paper
    noun: ClassVar[str] = "row"
    nouns: ClassVar[str] = "rows"
    empty: ClassVar[str]  # why there may be nothing
    has_period: ClassVar[bool] = True
    period: ClassVar[ReportPeriod | None] = ReportPeriod.LAST_30_DAYS  # without a choice
    period_label: ClassVar[str] = "Period"
    is_period_optional: ClassVar[bool] = False
    columns: ClassVar[tuple[Column, ...]]

    def fields(self) -> dict[str, forms.Field]:
        """Return the fields of the form beside the period, by their names in the address."""
        return {}

    def answer(self, question: Question) -> Answer:
        """Return the answer to the question."""
        raise NotImplementedError

    def group(self, row: Row) -> tuple[object, str] | None:
        """Return whose part of the paper a row belongs to, and the heading of that part; None for no parts."""
        return None


def when(value: dt.datetime | None) -> str:
    """Return a time in the viewer's zone as HTML, always with its date: paper is read on other days."""
    if value is None:
        return empty("")
    day, _, time = moment(value).partition(" ")
    # Where there is little room these are two lines.
    return SafeString(f"<time><span>{day}</span> <span>{time}</span></time>")  # safe: digits


def time_column(key: str, label: str, path: str) -> Column:
    """Return a column for the time at `path`."""
    column = Column(key, label, path, TIME_WIDTH)
    return dataclasses.replace(column, cell=lambda row: when(cast("dt.datetime | None", column.value(row))))


def text_field(label: str, **more: Any) -> forms.CharField:
    """Return a field for a part of a name."""
    return forms.CharField(label=label, required=False, max_length=150, **more)


def choice_field(label: str, everything: str, choices: Sequence[tuple[str, str]]) -> forms.ChoiceField:
    """Return a field for one of some choices, or for all of them."""
    return forms.ChoiceField(label=label, required=False, choices=[("", everything), *choices])
