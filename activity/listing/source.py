"""What a download is made of: the rows of a list as its address asks for them, or rows that a page hands over.

A format (formats.py) writes any of them into a file.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet

from activity.listing.columns import Column, Row, Table
from activity.listing.database_csv import ROWS_IN_PIECE, one_snapshot
from activity.listing.filterset import KeptFilterSet
from activity.listing.keyset import ordering
from activity.listing.links import DOWNLOAD_PARAMETERS
from activity.listing.listing import Listing
from activity.models import LogEntry
from activity.time_limits import statements_without_limit

ROWS_AT_ONCE = 2000  # that the database hands over

Batch = tuple[list[int], list[list[object]]]  # the ids of some rows, as far as they have one, and the values of each


@dataclasses.dataclass(kw_only=True, slots=True)
class Source:
    """The rows of one file: their values are what Column.value gives, and `keys` and `labels` name their columns.

    `nouns` say in the log what the rows are. `filters` are those of the address, `applied` says what they came to.
    """

    name: str  # of the file, without time and ending
    nouns: str
    keys: Sequence[str]
    labels: Sequence[str]
    rows: Iterable[Sequence[object]] = ()
    filters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    applied: Mapping[str, object] = dataclasses.field(default_factory=dict)
    sort: str = ""
    database: str = DEFAULT_DB_ALIAS

    def batches(self) -> Generator[Batch, None, None]:
        """Yield some rows at a time."""
        rows = iter(self.rows)
        while some := list(itertools.islice(rows, ROWS_IN_PIECE)):
            yield [], [list(row) for row in some]


@dataclasses.dataclass(kw_only=True, slots=True)
class ListSource(Source):
    """The rows of a list."""

    table: Table
    queryset: QuerySet[Any]  # filtered and in order
    order: str  # the path that it is sorted by

    def batches(self) -> Generator[Batch, None, None]:
        """Yield some rows at a time, as Python reads them."""
        columns = self.table.columns
        yield from batches(self.table.narrowed(self.queryset, columns, self.order), columns)

    def leave_out(self, entry: LogEntry) -> None:
        """Leave out the entry that says that this very download began: the file holds what the page held."""
        if self.queryset.model is LogEntry:
            self.queryset = self.queryset.exclude(pk=entry.pk)


def list_source(listing: Listing, name: str) -> ListSource:
    """Return all rows that `listing` filters, in its order, with all columns of its table."""
    table = listing.table
    return ListSource(
        name=name,
        nouns=table.nouns,
        keys=[column.key for column in table.columns],
        labels=[column.label for column in table.columns],
        filters={key: value for key, value in listing.parameters.items() if key not in DOWNLOAD_PARAMETERS},
        applied=_applied(listing),
        sort=listing.sort,
        database=listing.queryset.db,
        table=table,
        queryset=listing.queryset.order_by(*ordering(listing.queryset, listing.order)),
        order=listing.order.path,
    )


def _applied(listing: Listing) -> dict[str, object]:
    """Return what the filters came to: in words, and the limits of a period."""
    words = [f"{chip.label} {chip.words} {chip.value}" for chip in listing.chips]
    words += [f"Search: {listing.search}"] if listing.search and listing.table.search else []
    own = listing.filters.applied() if isinstance(listing.filters, KeptFilterSet) else {}
    return {"words": words, **own}


def batches(rows: QuerySet[Any], columns: Sequence[Column]) -> Generator[Batch, None, None]:
    """Yield the ids and the values of some rows at a time."""
    values = [column.value for column in columns]
    for some in rows_of(rows):
        yield [row.pk for row in some], [[value(row) for value in values] for row in some]


def rows_of(rows: QuerySet[Any]) -> Generator[list[Row], None, None]:
    """Yield some rows at a time, however long their reader takes."""
    with statements_without_limit(rows.db), one_snapshot(rows.db):
        iterator = rows.iterator(chunk_size=ROWS_AT_ONCE)
        while some := list(itertools.islice(iterator, ROWS_IN_PIECE)):
            yield some
