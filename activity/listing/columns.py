"""What a table is: its columns, its words, and how one cell is written. Cells are formatted here, in Python."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import html
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from django.db.models import Q
from django.db.models.expressions import Combinable
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.text_index import TextIndex

Row = Any  # a model instance, or whatever the queryset yields


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column. `cell` gives safe HTML or plain text (which is escaped); `csv` the value for a download."""

    key: str  # names it in the URL and in preferences
    label: str
    cell: Callable[[Row], str]
    sort: str = ""  # path of the field it is sorted by; empty: not sortable
    csv: Callable[[Row], object] | None = None  # none: not in the download
    width: int = 150  # pixels, until the person drags it
    is_hidden: bool = False  # until the person shows it
    is_number: bool = False
    sorts_few: bool = False  # no index gives its order: up to 10,000 rows are sorted by it, more are not
    related: str = ""  # the neighbour that it reads, fetched only where the column is shown
    alone: str = ""  # the field that no other cell of a row reads, fetched only where the column is shown
    # `csv` for the database: a field's path or a cell (cells.py), or what gives one when a download begins.
    copied: str | Combinable | Callable[[], Combinable] | None = None


def stored(
    key: str,
    label: str,
    path: str,
    cell: Callable[[Row], str],
    width: int = 150,
    *,
    is_sorted: bool = True,
    **more: Any,
) -> Column:
    """The column of one field: sorted by it, and downloaded as it stands there, by Python or by the database alike.

    `path` as for the database: "user_name", "policy__name"; `more` are further fields of Column.
    """
    value = operator.attrgetter(path.replace("__", "."))
    return Column(key, label, cell, sort=path if is_sorted else "", csv=value, copied=path, width=width, **more)


def _nothing_else(words: Sequence[str]) -> Mapping[str, Q]:
    return {}


def _no_refusals(row: Row) -> Mapping[str, str]:
    return {}


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """One list: what it is called, its columns, and what may be done with its rows."""

    name: str  # names the preferences and the CSV file
    columns: tuple[Column, ...]
    default_sort: str  # a column's key, with - for descending
    noun: str  # singular, for the count and the empty state
    nouns: str
    search: tuple[str, ...] = ()  # field paths that the search box looks in
    # For words of a search, which other rows hold them: in what is not kept in the rows.
    search_also: Callable[[Sequence[str]], Mapping[str, Q]] = _nothing_else
    text_index: TextIndex | None = None  # what makes it quick in long tables; it holds these very fields
    empty_text: str = ""  # what to do when there is nothing
    is_selectable: bool = False
    row_name: Callable[[Row], str] = str  # names the row for screen readers
    # For each row, the verbs it does not allow, each with the reason for the person.
    refusals: Callable[[Row], Mapping[str, str]] = _no_refusals
    row_class: Callable[[Row], str] = lambda row: ""
    page_size: int = 100

    def column(self, key: str) -> Column | None:
        """The column of that key, if there is one."""
        return next((column for column in self.columns if column.key == key), None)


EMPTY = SafeString("–")
is_special = re.compile("[&<>\"']").search
_zone: ContextVar[dt.tzinfo | None] = ContextVar("activity_listing_zone", default=None)


def escaped(text: object) -> str:
    """The text as HTML; for what is not HTML already. Most cells hold nothing to be escaped, and one look is quicker
    than five."""
    text = str(text)
    return html.escape(text) if is_special(text) else text


def empty(text: object) -> str:
    """The text, or a quiet dash where there is none."""
    return str(text) if text not in (None, "") else EMPTY


def link(url: str, text: object) -> SafeString:
    """An ordinary link; just the text where there is no URL."""
    shown = text if isinstance(text, SafeString) else escaped(text)
    return SafeString(f'<a href="{escaped(url)}">{shown}</a>' if url else shown)


@contextlib.contextmanager
def in_one_zone() -> Iterator[None]:
    """Inside, times are in the zone that is the viewer's now; to look it up for each of hundreds would cost as much as
    to write them."""
    token = _zone.set(timezone.get_current_timezone())
    try:
        yield
    finally:
        _zone.reset(token)


def moment(value: dt.datetime | None) -> str:
    """A time in the viewer's zone, exact to the second. Plain text: a page prints hundreds of them."""
    if value is None:
        return EMPTY
    return value.astimezone(_zone.get() or timezone.get_current_timezone()).isoformat(" ", "seconds")[:19]


def span_of_time(value: dt.timedelta | None) -> str:
    """A duration as people say it: 2 h 05 min, 3 min 10 s, 12 s."""
    if value is None:
        return EMPTY
    seconds = int(value.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600:02} h"


# Kinds of badges that have a colour of their own (static/badges.css).
GOOD = ("success", "available", "approved")
TELLING = ("info", "provisioning", "logged_in", "pending")
CAREFUL = ("warning", "waiting_for_approval", "canceling")
BAD = ("error", "danger", "locked", "failed", "denied", "approval_failed")
COLOURED = frozenset((*GOOD, *TELLING, *CAREFUL, *BAD))


@functools.lru_cache(maxsize=1000)
def badge(kind: str, label: str, icon_name: str) -> SafeString:
    """A status badge: differs by icon and text as well as colour. `icon_name` names a drawing in static/badges.css,
    which gives some kinds a colour too; the others are not spelled out, for a list prints hundreds."""
    colour = f" badge-{kind}" if kind in COLOURED else ""
    return format_html('<b class="badge{} i-{}">{}</b>', colour, icon_name, label)
