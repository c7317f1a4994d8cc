"""What a table is: its columns and its words, and how one cell is written."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.listing.times import EMPTY, short_time, span_of_time
from activity.text_index import TextIndex

Row = Any  # a model instance, or whatever the queryset yields


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column: its key, its label, and the path of the field that it shows.

    The cell, the value in a download, the order and the SQL of a download follow from the field. They are given only
    where they differ. A column without a path gives `cell` and `csv`, and names in `reads` what they read.
    """

    key: str  # names it in the URL and in preferences
    label: str
    path: str = ""  # of a field or an annotation, as for the database: "user_name", "policy__name"
    width: int = 150  # pixels, until the person drags it; a flexible column has at least as much
    cell: Callable[[Row], str] | None = None  # HTML (a SafeString) or plain text, which is escaped
    csv: Callable[[Row], object] | None = None
    sort: str | None = None  # the path that it is sorted by; empty: not sortable
    sql: str | Combinable | Callable[[], Combinable] | None = None  # csv_expressions.py; a function is called late
    reads: tuple[str, ...] = ()  # what `cell` and `csv` read beside `path`
    is_hidden: bool = False  # until the person shows it
    is_number: bool = False
    sorts_few: bool = False  # no index gives its order: up to 10,000 rows are sorted by it, more are not

    @property
    def value(self) -> Callable[[Row], object]:
        """Return the function that gives the value of a row for a download."""
        return self.csv or _at(self.path)

    @property
    def write(self) -> Callable[[Row], str]:
        """Return the function that writes the cell of a row."""
        if self.cell is not None:
            return self.cell
        value = self.value
        return lambda row: shown(value(row))

    @property
    def order(self) -> str:
        """Return the path that the list is sorted by; empty where it cannot be sorted."""
        return self.path if self.sort is None else self.sort

    @property
    def expression(self) -> str | Combinable | Callable[[], Combinable] | None:
        """Return what the database writes into a download; None where only Python can write it."""
        if self.sql is None and self.csv is None:
            return self.path
        return self.sql

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the paths of all fields that the column reads."""
        return (self.path, *self.reads) if self.path else self.reads


def _at(path: str) -> Callable[[Row], object]:
    """Return the function that follows `path` from a row; it returns None where a neighbour is missing."""
    *steps, name = path.split("__")
    if not steps:
        return operator.attrgetter(name)

    def value(row: Row) -> object:
        for step in steps:
            row = getattr(row, step)
            if row is None:
                return None
        return getattr(row, name)

    return value


def _nothing_else(words: Sequence[str]) -> Mapping[str, Q]:
    return {}


def _no_refusals(row: Row) -> Mapping[str, str]:
    return {}


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """What of a row stands on a narrow screen, where each row is a card of two lines: keys of columns by their places.

    The first line has `lead`, and `side` at its end; the second `text`, and `note` at its end.
    """

    lead: str
    side: str = ""
    text: str = ""
    note: str = ""

    def place_of(self, key: str) -> str:
        """Return where the column stands, which is a class in static/cards.css; empty where it is left out."""
        places = {self.lead: "lead", self.side: "side", self.text: "text", self.note: "note"}
        return places.get(key, "")


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """One list: its name, its columns, and what may be done with its rows."""

    name: str  # names the preferences and the CSV file
    columns: tuple[Column, ...]
    default_sort: str  # a column's key, with - for descending
    noun: str  # singular, for the count and the empty state
    nouns: str
    plain_nouns: str = ""  # where `nouns` say more, such as a period: what rows are called anywhere else
    search: tuple[str, ...] = ()  # field paths that the search box looks in
    # For words of a search, which other rows hold them: in what is not kept in the rows.
    search_also: Callable[[Sequence[str]], Mapping[str, Q]] = _nothing_else
    text_index: TextIndex | None = None  # what makes it quick in long tables; it holds these very fields
    empty_text: str = ""  # what to do when there is nothing
    add_link: tuple[str, str] = ("", "")  # text and address of the form that adds one
    is_selectable: bool = False
    row_name: Callable[[Row], str] = str  # names the row for screen readers
    # For each row, the verbs it does not allow, each with the reason for the person.
    refusals: Callable[[Row], Mapping[str, str]] = _no_refusals
    row_class: Callable[[Row], str] = lambda row: ""
    opens: str = ""  # the key of the column whose link leads to the row's own page
    # Sorted by the column `grouped_by`, rows stand under headings: what tells the groups apart, and their words.
    grouped_by: str = ""
    group: Callable[[Row], tuple[object, str]] | None = None
    card: Card | None = None  # what a narrow screen shows; without it the table scrolls sideways there
    flexible: tuple[str, ...] = ()  # keys of columns: the first that is shown takes the room that is left
    grows: tuple[str, ...] = ()  # keys of columns that become wider with the table, so that names are not cut
    reads: tuple[str, ...] | None = None  # what these three read of a row; None: a row is read whole
    slow_csv: str = ""  # why Python writes the download, some 10,000 rows a second; empty: the database does
    page_size: int = 100
    # For a database, what writes rows as JSON Lines that can be proved; empty: each column by its key.
    json_lines: Callable[[str], Callable[[Sequence[Row]], bytes]] | None = None
    # For the ids of rows and a size of the sealed log: lines that prove them, and how many are sealed and are not.
    proofs: Callable[[Iterable[list[int]], int], Iterator[tuple[bytes, int, int]]] | None = None

    def column(self, key: str) -> Column | None:
        """Return the column of that key, if there is one."""
        return next((column for column in self.columns if column.key == key), None)

    def ordered(self, keys: Iterable[str]) -> list[Column]:
        """Return all columns in the order of `keys`. One that is not named follows the one that it follows here."""
        known = {column.key: column for column in self.columns}
        order = [key for key in dict.fromkeys(keys) if key in known]
        if not order:
            return list(self.columns)
        before = ""
        for key in known:
            if key not in order:
                order.insert(order.index(before) + 1 if before else 0, key)
            before = key
        return [known[key] for key in order]

    def is_card(self, columns: Iterable[Column]) -> bool:
        """Return whether rows with these columns can be cards: the lead must be among them."""
        return self.card is not None and any(column.key == self.card.lead for column in columns)

    def cell_start(self, column: Column) -> str:
        """Return the start tag of the column's cells. On a card a number says by itself what it counts."""
        place = self.card.place_of(column.key) if self.card is not None else ""
        classes = ["number"] if column.is_number else []
        classes += [place] if place else []
        classes += ["opens"] if column.key == self.opens else []
        label = f' data-label="{escaped(column.label)}"' if place and column.is_number else ""
        return f'<td class="{" ".join(classes)}"{label}>' if classes else "<td>"

    def narrowed(self, rows: QuerySet[Any], columns: Iterable[Column], order: str) -> QuerySet[Any]:
        """Return the rows with what these columns and the order read, and without the other fields.

        Neighbours (the first steps of a path) are fetched with one query each, unless the queryset joins them.
        """
        columns = list(columns)
        related = {path.rpartition("__")[0] for column in columns for path in column.paths if "__" in path}
        if self.reads is not None:
            paths = {"pk", order, *self.reads}.union(*(column.paths for column in columns))
            rows = rows.only(*{path.split("__")[0] for path in paths} - set(rows.query.annotations))
        return rows.prefetch_related(*sorted(related)) if related else rows

    def unknown_to_database(self) -> list[str]:
        """Return the labels of the columns that only Python can write into a download."""
        return [column.label for column in self.columns if column.expression is None]


is_special = re.compile("[&<>\"']").search


def escaped(text: object) -> str:
    """Return text that is not HTML yet as HTML."""
    text = str(text)
    return html.escape(text) if is_special(text) else text


def empty(text: object) -> str:
    """Return the text, or a quiet dash where there is none."""
    return str(text) if text not in (None, "") else EMPTY


def shown(value: object) -> str:
    """Return the value of a field as people read it."""
    if value is None or value == "":
        return EMPTY
    if isinstance(value, dt.datetime):
        return short_time(value)
    if isinstance(value, dt.timedelta):
        return span_of_time(value)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)


def link(url: str, text: object) -> SafeString:
    """Return an ordinary link, or just the text where there is no URL."""
    shown = text if isinstance(text, SafeString) else escaped(text)
    return SafeString(f'<a href="{escaped(url)}">{shown}</a>' if url else shown)


# Kinds of badges that have a colour of their own (static/badges.css).
GOOD = ("success", "available", "approved")
TELLING = ("info", "provisioning", "logged_in", "pending")
CAREFUL = ("warning", "waiting_for_approval", "canceling")
BAD = ("error", "danger", "locked", "failed", "denied", "approval_failed")
COLOURED = frozenset((*GOOD, *TELLING, *CAREFUL, *BAD))


def badge(kind: str, label: str, icon_name: str) -> SafeString:
    """Return a status badge, which differs by icon and text as well as by colour.

    `icon_name` names a drawing in static/badges.css, which gives some kinds a colour too.
    """
    colour = f" badge-{kind}" if kind in COLOURED else ""
    return format_html('<b class="badge{} i-{}">{}</b>', colour, icon_name, label)
