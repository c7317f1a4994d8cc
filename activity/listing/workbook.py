"""Writes rows as an Excel workbook (XLSX): real dates and numbers, text that is never a formula, in constant memory.

A workbook cannot be sent while it is made, because its sheets are packed at the end. It is made in files that lie in a
directory of its own below VAR_DIR, by the thread of the download. While it is made, empty pieces come, at which whoever
reads them can break off; then the directory is removed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO, Any

import xlsxwriter
from django.conf import settings
from xlsxwriter.worksheet import Worksheet

from activity.listing.ids import RowIds
from activity.listing.source import Source
from activity.text import plain

MOST_ROWS = 1_048_576  # of one sheet, with its heading. Source: Microsoft, "Excel specifications and limits"
LONGEST_TEXT = 32_767  # characters of one cell
CUT = " … (cut: a cell of a workbook holds no more)"
LARGEST_NUMBER = 10**15  # from here on a cell, which keeps 15 digits, would change a number
FIRST_DATE = dt.datetime(1900, 3, 1, tzinfo=dt.UTC)  # before it Excel counts a day that never was
PIECE = 64 * 1024  # bytes that are read at once
DIRECTORY = "workbook-"  # and some letters
ABANDONED_AFTER = 24 * 3600  # seconds after which the directory of a process that was killed is removed
TIME, SPAN = 'yyyy-mm-dd hh:mm:ss "UTC"', "[h]:mm:ss"
WIDTH, TIME_WIDTH = 16, 25  # characters

Pieces = Generator[tuple[bytes, int], None, None]


class _Sheet(Worksheet):  # type: ignore[misc]  # the package has no types
    """A sheet that takes every text as text: the library's own would read <r>…</r> as markup."""

    def _xml_rich_inline_string(self, string: str, attributes: Any = None) -> None:
        self._xml_inline_string(string, False, attributes)


class _Book:
    """A workbook that is being written. `labels` are the headings of each of its sheets."""

    def __init__(self, file: IO[bytes], directory: str, labels: Sequence[str]) -> None:
        options = {
            "constant_memory": True,
            "tmpdir": directory,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "use_zip64": True,
        }
        self._book = xlsxwriter.Workbook(file, options)
        self._heading = self._book.add_format({"bold": True})
        self._time = self._book.add_format({"num_format": TIME})
        self._span = self._book.add_format({"num_format": SPAN})
        self._times: set[int] = set()  # columns of times, which are wider
        self._labels = labels
        self._begin_sheet()

    def _begin_sheet(self) -> None:
        self._sheet = self._book.add_worksheet(worksheet_class=_Sheet)
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, len(self._labels) - 1, WIDTH)
        self._times.clear()
        for place, label in enumerate(self._labels):
            self._sheet.write_string(0, place, label, self._heading)
        self._next = 1

    def write(self, row: Sequence[object]) -> None:
        """Write one row; the first one that a sheet has no room for begins another sheet."""
        if self._next == MOST_ROWS:
            self._begin_sheet()
        for place, value in enumerate(row):
            if value is not None and value != "":
                self._write_cell(place, value)
        self._next += 1

    def _write_cell(self, place: int, value: object) -> None:
        if isinstance(value, bool):
            self._sheet.write_boolean(self._next, place, value)
        elif isinstance(value, int | float) and abs(value) < LARGEST_NUMBER:
            self._sheet.write_number(self._next, place, value)
        elif isinstance(value, dt.timedelta):
            self._sheet.write_number(self._next, place, value.total_seconds() / 86_400, self._span)
        elif isinstance(value, dt.datetime) and value >= FIRST_DATE:
            moment = value.astimezone(dt.UTC).replace(tzinfo=None)  # a workbook knows no zones
            self._sheet.write_datetime(self._next, place, moment, self._time)
            if place not in self._times:
                self._times.add(place)
                self._sheet.set_column(place, place, TIME_WIDTH)
        else:
            self._sheet.write_string(self._next, place, cell_text(value))

    def close(self) -> None:
        """Pack the sheets into the file."""
        self._book.close()


def cell_text(value: object) -> str:
    """Return a text as a cell can hold it: on one line, without characters that nobody sees, and not too long."""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = plain(value).encode("utf-8", "replace").decode()
    # Excel counts in units of UTF-16.
    if len(text) * 2 > LONGEST_TEXT and len(text.encode("utf-16-le")) // 2 > LONGEST_TEXT:
        room = (LONGEST_TEXT - len(CUT)) * 2
        text = text.encode("utf-16-le")[:room].decode("utf-16-le", "ignore") + CUT
    return text


def workbook_pieces(source: Source, ids: RowIds) -> Pieces:
    """Yield an empty piece for some rows at a time, and how many they are; at last the file in pieces without rows."""
    remove_abandoned()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix=DIRECTORY, dir=settings.VAR_DIR))
        file = stack.enter_context(tempfile.TemporaryFile(dir=directory))
        book = _Book(file, directory, source.labels)
        batches = stack.enter_context(contextlib.closing(source.batches()))
        for some, rows in batches:
            ids.add(some)
            for row in rows:
                book.write(row)
            yield b"", len(rows)
        book.close()
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece, 0


def remove_abandoned() -> None:
    """Remove the directories of processes that were killed while they made a workbook."""
    for directory in Path(settings.VAR_DIR).glob(f"{DIRECTORY}*"):
        with contextlib.suppress(FileNotFoundError):  # another process removes it too
            if time.time() - directory.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(directory, ignore_errors=True)
