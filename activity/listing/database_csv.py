"""Writes the lines of a download from cells that the database writes: by COPY on PostgreSQL, by SELECT on SQLite.

Python checks pieces of many rows at once. If a character shows that a cell is not what neutral() would write, the rows
with such characters are written again by Python.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

from django.db import connections, transaction
from django.db.models import QuerySet
from django.db.models.sql.constants import INNER
from django.db.models.sql.datastructures import Join

from activity.listing.copying import rows_of
from activity.listing.csv_expressions import MARK, Cell, cell_of
from activity.text import UNSEEN

ROWS_IN_PIECE = 500
# For PostgreSQL, so that the first rows come soon, in the order of an index. Otherwise it reads the whole table with
# several processes, sorts, and compiles the query first: with 10 million rows, a million rows took twice as long.
# A download may take as long as its reader needs; time_limits.py limits other statements.
AT_ONCE = "SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; SET LOCAL statement_timeout = 0"
CONTROLS = bytes(byte for byte in range(0x20) if byte != 0x0A) + b"\x7f"
# For one look at all cells: what is left out, and one kind of end for each.
_NO_LETTERS, _CELL_ENDS = CONTROLS + b'"', bytes.maketrans(b"\n", b",")
# Beyond ASCII: what plain() does not leave as it is, what may begin a formula or hide one, and blanks. Only neutral()
# knows what becomes of it where it stands.
FORMULA_FORMS = "\u207a\u207c\u208a\u208c\u2a75\u2a76\ufb29\ufe62\ufe63\ufe66\ufe6b\uff02\uff0b\uff0d\uff1d\uff20"
SUSPECT = re.compile(rf"(?![\x00-\x7f])[{UNSEEN}{FORMULA_FORMS}\s]")
_LEADS = b"\xc2\xcd\xd8\xe1\xe2\xe3\xef\xf0\xf3"  # the first bytes of all these in UTF-8
_OTHERS = bytes(byte for byte in range(0x100) if byte not in _LEADS)
SUSPECT_ROW = re.compile(rb'[\x00-\x09\x0b-\x1f\x7f]|\n(?!\Z)| "?[,\n]')

csv.field_size_limit(2**31 - 1)  # reads what our own database wrote

Neutral = Callable[[object], str]
Parts = Generator[tuple[bytes | bytearray, int], None, None]


class Sheet:
    """The rows of one download in their order, and for each column the path of a field or an expression."""

    def __init__(self, rows: QuerySet[Any], expressions: Sequence[Any], neutral: Neutral) -> None:
        self.database = rows.db
        self.cells = [cell_of(rows, each) for each in expressions]
        self.neutral = neutral
        is_sqlite = connections[rows.db].vendor == "sqlite"
        # Use outer joins for the related rows whose names are shown. With an inner join, SQLite may begin with all
        # related rows, and sort the result.
        before = set(rows.query.alias_map)
        lines = rows.values_list(*self.cells)
        for alias, join in lines.query.alias_map.items():
            if alias not in before and isinstance(join, Join) and join.join_type == INNER:
                lines.query.alias_map[alias] = join.promote()
        self.sql, self.parameters = lines.query.get_compiler(rows.db).as_sql()
        self._parts = self._sqlite if is_sqlite else self._postgresql

    @staticmethod
    def is_possible(rows: QuerySet[Any], expressions: Sequence[Any]) -> bool:
        """Return whether the database can write these rows: every column says what it is to write."""
        vendor = connections[rows.db].vendor
        return vendor in ("sqlite", "postgresql") and None not in expressions and not rows.query.distinct

    def pieces(self) -> Generator[tuple[bytes, int], None, None]:
        """Yield some rows at a time, and how many they are. To close the generator stops the query."""
        parts = self._parts()
        try:
            for piece, count in parts:
                yield bytes(piece.replace(b"\n", b"\r\n")), count
        finally:
            parts.close()

    def _postgresql(self) -> Parts:
        with transaction.atomic(using=self.database), connections[self.database].cursor() as cursor:
            cursor.execute(AT_ONCE)
            statement = cursor.mogrify(self.sql, self.parameters)
            with cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT csv)") as copy:
                for piece, count in rows_of(copy, ROWS_IN_PIECE):
                    yield (piece if _is_clean(piece, count) else self._mended(piece, count)), count

    def _sqlite(self) -> Parts:
        with one_snapshot(self.database), connections[self.database].cursor() as cursor:
            cursor.execute(self.sql, self.parameters)
            while rows := cursor.fetchmany(ROWS_IN_PIECE):
                piece = _lines(rows)
                if not _is_clean(piece, len(rows)):
                    piece = _lines(map(self._row, rows))
                yield piece, len(rows)

    def _mended(self, piece: bytes | bytearray, rows: int) -> bytes:
        """Return the piece with its suspect rows written anew, or all rows where a cell holds the end of a line."""
        if piece.count(b"\n") != rows:
            return self._anew(piece)
        lines = (line + b"\n" for line in piece.split(b"\n")[:-1])  # not by splitlines(): a cell may hold a CR
        return b"".join(self._anew(line) if _is_suspect(line) else line for line in lines)

    def _anew(self, lines: bytes | bytearray) -> bytes:
        return _lines(map(self._row, csv.reader(io.StringIO(lines.decode(), newline=""))))

    def _row(self, values: Sequence[Any]) -> list[Any]:
        return [self._cell(cell, value) for cell, value in zip(self.cells, values, strict=True)]

    def _cell(self, cell: Cell, text: Any) -> Any:
        if not cell.is_text or not text:
            return text
        text = text.removeprefix(MARK)
        if cell.is_json:
            text = json.dumps(json.loads(text), ensure_ascii=False)
        return self.neutral(text)


@contextlib.contextmanager
def one_snapshot(database: str) -> Iterator[None]:
    """Let all queries of the block see the same rows on SQLite.

    A query that begins anew at text that is not UTF-8 (sessionadmin/database/sqlite3) then goes on where it was.
    """
    connection = connections[database]
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    with contextlib.closing(connection.connection.execute("SELECT name FROM sqlite_master")) as held:
        held.fetchone()  # a query that is not read to its end keeps its snapshot, for the whole connection
        yield


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    piece = io.StringIO(newline="")
    csv.writer(piece, lineterminator="\n").writerows(rows)
    return piece.getvalue().encode()


def _is_clean(piece: bytes | bytearray, rows: int) -> bool:
    """Return whether no cell of the piece needs a closer look, by some passes in C."""
    bare = piece.translate(_CELL_ENDS, _NO_LETTERS)
    return (
        piece.count(b"\n") == rows
        and len(bare) + piece.count(b'"') == len(piece)  # nothing else was left out
        and b" ," not in bare  # a space that ends a cell, which plain() takes away
        and not _has_suspects(piece)
    )


def _has_suspects(text: bytes | bytearray) -> bool:
    """Return whether the text holds suspect characters beyond ASCII; most text has none of their first bytes."""
    if text.isascii() or not text.translate(None, _OTHERS):
        return False
    return SUSPECT.search(text.decode()) is not None


def _is_suspect(line: bytes | bytearray) -> bool:
    return SUSPECT_ROW.search(line) is not None or _has_suspects(line)
