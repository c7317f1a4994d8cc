"""Downloads: every filtered row as CSV, streamed, with spreadsheet formulas neutralised, and logged.

Nothing leaves unless the log says that it does. The row count goes to the log entry of the end, not into the file.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import logging
import re
import unicodedata
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.models import QuerySet
from django.utils import timezone

from activity import log
from activity.downloads import StreamedDownload, take_slot
from activity.listing.columns import Column, Table
from activity.listing.database_csv import ROWS_IN_PIECE, Sheet, one_snapshot
from activity.listing.file_names import attachment
from activity.listing.keyset import ordering
from activity.listing.listing import Listing
from activity.models import DownloadPreference, LogEntry, Outcome
from activity.outage import Outage
from activity.text import UNSEEN, plain
from activity.time_limits import statements_without_limit
from activity.verbs import Verb
from activity.viewer import viewer

# Source: OWASP, "CSV Injection". An apostrophe before it makes a spreadsheet show text as text.
FORMULA_STARTS = ("=", "+", "-", "@")
CONTROL_STARTS = ("\t", "\r", "\x00")
# What some programs take away before they look for a formula.
UNNOTICED = re.compile(f'[\\s"{UNSEEN}]+')
ROWS_AT_ONCE = 2000
BYTE_ORDER_MARK = "\ufeff"  # tells Excel that a file is UTF-8

logger = logging.getLogger(__name__)

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


class CsvDownload(StreamedDownload):
    """A list as a CSV file. No byte of it may be sent before log_beginning() has returned."""

    def __init__(self, listing: Listing, name: str) -> None:
        """Take one of the places for downloads. Raise limits.TooMany where none is free."""
        place = take_slot(viewer(listing.request))
        # Read them now: when the lines are written, the middleware that knows them has already ended.
        export = _Export(listing, name, log.current_address(), log.current_login_id())
        super().__init__(
            place, export.lines(), content_type="text/csv; charset=utf-8", headers={"Cache-Control": "no-store"}
        )
        self["Content-Disposition"] = attachment(f"{name}-{timezone.now():%Y%m%dT%H%M%SZ}.csv")
        self._export = export

    def log_beginning(self) -> None:
        """Record that the download begins. If this raises an error, the download must not be sent."""
        try:
            self._export.log_beginning()
        except BaseException:
            self.give_back()
            raise


class _Export:
    """The lines of one download, and its two entries in the log."""

    def __init__(self, listing: Listing, name: str, address: str, login_id: int | None) -> None:
        self._listing = listing
        self._address, self._login_id = address, login_id
        self._table: Table = listing.table
        self._user = listing.request.user if listing.request.user.is_authenticated else None
        parameters = {key: value for key, value in listing.parameters.items() if key != "csv"}
        self._details = {"list": name, "filters": parameters}

    def log_beginning(self) -> None:
        with log.coming_from(self._address, lambda: self._login_id):
            message = f"Began to download {self._table.nouns} as CSV"
            entry = log.record(Verb.EXPORT_BEGAN, message, actor=self._user, details=self._details)
        if self._listing.queryset.model is LogEntry:
            self._listing.queryset = self._listing.queryset.exclude(pk=entry.pk)  # the file holds what the page held

    def lines(self) -> Iterator[bytes]:
        """Yield the whole file. At the end, record how many rows were sent, also if the browser broke it off."""
        columns = self._table.columns
        count, is_whole = 0, False
        mended_before = self._texts_mended()
        pieces = _pieces(self._listing, columns)
        try:
            start = BYTE_ORDER_MARK if DownloadPreference.of(self._listing.request.user).has_byte_order_mark else ""
            yield (start + csv.writer(_Echo()).writerow([column.label for column in columns])).encode()
            for piece, rows in pieces:
                count += rows
                yield piece
            is_whole = True
        finally:
            pieces.close()  # stops the query, before the connection is needed for the log
            self._log_end(count, is_whole=is_whole, is_mended=self._texts_mended() > mended_before)

    def _texts_mended(self) -> int:
        """Return how many texts the connection has read that are not UTF-8: sessionadmin/database/sqlite3."""
        return int(getattr(connections[self._listing.queryset.db], "texts_mended", 0))

    def _log_end(self, count: int, *, is_whole: bool, is_mended: bool) -> None:
        """Record the end of the download.

        During an outage this writes to the server's log instead: the file is already complete, and its beginning is
        recorded.
        """
        message = f"Downloaded {count:,} {self._table.nouns} as CSV"
        message += "" if is_whole else "; the download was broken off"
        message += "; it has \ufffd for text that is not UTF-8, which another program wrote" if is_mended else ""
        details = {**self._details, "rows": count, "complete": is_whole}
        try:
            with log.coming_from(self._address, lambda: self._login_id):
                outcome = None if is_whole else Outcome.FAILURE
                log.record(Verb.EXPORTED, message, actor=self._user, outcome=outcome, details=details)
        except (DatabaseError, InterfaceError) as error:
            outage = Outage.of(error)
            if outage is None:
                raise
            # Without a traceback: this line replaces a log entry, and must not be dropped among others of the outage.
            logger.error("Not in the activity log: %s (%s). %s: %s", message, self._user, outage.heading, plain(error))


def _pieces(listing: Listing, columns: Sequence[Column]) -> Pieces:
    """Return the rows that `listing` filters, written by the database where it knows every column."""
    rows = listing.queryset.order_by(*ordering(listing.queryset, listing.order))
    expressions = [column.expression for column in columns]
    if Sheet.is_possible(rows, expressions):
        return Sheet(rows, expressions, neutral).pieces()
    return written_here(listing.table.narrowed(rows, columns, listing.order.path), columns)


def written_here(rows: QuerySet[Any], columns: Sequence[Column]) -> Pieces:
    """Yield the rows as Python writes them, some at a time, and how many they are."""
    values = [column.value for column in columns]
    with statements_without_limit(rows.db), one_snapshot(rows.db):
        iterator = rows.iterator(chunk_size=ROWS_AT_ONCE)
        while some := list(itertools.islice(iterator, ROWS_IN_PIECE)):
            piece = io.StringIO(newline="")
            csv.writer(piece).writerows([neutral(value(row)) for value in values] for row in some)
            yield piece.getvalue().encode(), len(some)
