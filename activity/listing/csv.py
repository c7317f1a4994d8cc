"""Writes rows as CSV, with spreadsheet formulas neutralised. The row count goes into the log, not into the file."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import unicodedata
from collections.abc import Generator, Sequence
from typing import Any

from django.db.models import QuerySet

from activity.listing.columns import Column
from activity.listing.database_csv import Sheet
from activity.listing.ids import RowIds
from activity.listing.source import ListSource, Source, batches
from activity.text import UNSEEN, plain

# Source: OWASP, "CSV Injection". An apostrophe before it makes a spreadsheet show text as text.
FORMULA_STARTS = ("=", "+", "-", "@")
CONTROL_STARTS = ("\t", "\r", "\x00")
# What some programs take away before they look for a formula.
UNNOTICED = re.compile(f'[\\s"{UNSEEN}]+')
BYTE_ORDER_MARK = "\ufeff"  # tells Excel that a file is UTF-8

Pieces = Generator[tuple[bytes, int], None, None]


class _Echo:
    """A file that returns what is written to it."""

    def write(self, text: str) -> str:
        return text


def neutral(value: object) -> str:
    """Return one CSV cell, which is never a formula.

    Times are ISO 8601 with offset, durations are seconds, text has no control characters, numbers stay numbers.
    """
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        text = value.astimezone(dt.UTC).replace(tzinfo=None).isoformat()
        return f"{text.rstrip('0') if '.' in text else text}+00:00"  # as short as it is exact, as databases write it
    if isinstance(value, dt.timedelta):
        return f"{value.total_seconds():.0f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    given = str(value)
    text = plain(given)
    return f"'{text}" if given.startswith(CONTROL_STARTS) or is_formula(text) else text


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet may read the text as a formula.

    It may if the text begins with one of the signs in any of its forms (NFKC). Blanks, quotation marks and invisible
    characters before the sign are ignored.
    """
    for character in text:
        shown = unicodedata.normalize("NFKC", character)
        if not UNNOTICED.fullmatch(shown):
            return shown.startswith(FORMULA_STARTS)
    return False


def csv_pieces(source: Source, ids: RowIds) -> Pieces:
    """Yield the file, some rows at a time, and how many they are.

    The database writes the lines of a list where it can write every column.
    """
    yield csv.writer(_Echo()).writerow(source.labels).encode(), 0
    if isinstance(source, ListSource):
        expressions = [column.expression for column in source.table.columns]
        if Sheet.is_possible(source.queryset, expressions):
            yield from _noting(Sheet(source.queryset, expressions, neutral).pieces(), source.table.columns, ids)
            return
    for some, rows in source.batches():
        ids.add(some)
        yield _written(rows)


def _noting(pieces: Pieces, columns: Sequence[Column], ids: RowIds) -> Pieces:
    """Yield the pieces that the database wrote, and note the ids that they hold, if a column has them.

    To read all lines takes as long as to write them, so that this is done only where all ids are wanted.
    """
    place = next((place for place, column in enumerate(columns) if column.path == "pk"), None)
    unread = b""
    try:
        for piece, rows in pieces:
            if place is not None and (ids.are_kept or ids.first is None):
                ids.add(_ids_in(piece, place))
                unread = b""
            else:
                unread = piece
            yield piece, rows
    finally:
        pieces.close()  # stops the query
        if place is not None and unread:
            ids.add(_ids_in(unread, place)[-1:])


def _ids_in(piece: bytes, place: int) -> list[int]:
    return [int(line[place]) for line in csv.reader(io.StringIO(piece.decode(), newline=""))]


def written_here(rows: QuerySet[Any], columns: Sequence[Column]) -> Pieces:
    """Yield the rows as Python writes them, some at a time, and how many they are."""
    for _, some in batches(rows, columns):
        yield _written(some)


def _written(rows: Sequence[Sequence[object]]) -> tuple[bytes, int]:
    piece = io.StringIO(newline="")
    csv.writer(piece).writerows([neutral(value) for value in row] for row in rows)
    return piece.getvalue().encode(), len(rows)
