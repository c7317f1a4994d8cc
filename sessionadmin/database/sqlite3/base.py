"""Django's backend for SQLite, whose long transactions are logged, and which reads text that is not UTF-8."""

import contextlib
import logging
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base

from sessionadmin.database.transactions import TimedTransactions

logger = logging.getLogger(__name__)

UNDECODABLE = "Could not decode to UTF-8"  # how sqlite3 begins to say so; it has no code for it
# What can be executed twice. A WITH that names a change is not, even if it only names it.
READS = re.compile(r"\s*(?:SELECT|PRAGMA|WITH(?!.*\b(?:INSERT|REPLACE|UPDATE|DELETE)\b))\b", re.IGNORECASE | re.DOTALL)


class TolerantCursor(base.SQLiteCursorWrapper):
    """A cursor that reads text which is not UTF-8 with U+FFFD for each byte that cannot be read.

    SQLite keeps whatever bytes another program writes, and one such row would break every page and download that shows
    it. Python decodes quickly as long as there is none: at the first one the query begins anew with a decoder of ours.
    A statement that may write is never executed again: its error is raised.
    """

    _asked: tuple[Any, Any] = ("", None)
    _given = 0  # rows that were fetched
    wrapper: "DatabaseWrapper"

    def execute(self, query: str, params: Any = None) -> Any:
        """Begin a query, and keep it so that it can begin anew when a text cannot be decoded."""
        self._asked, self._given = (query, params), 0
        return super().execute(query, params)

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        try:
            row = super().fetchone()
        except sqlite3.OperationalError as error:
            self._begin_anew(error)
            row = super().fetchone()
        self._given += row is not None
        return row

    def fetchmany(self, size: int | None = 1) -> list[Any]:
        """Return the next rows, at most so many."""
        try:
            rows = super().fetchmany(size)
        except sqlite3.OperationalError as error:
            self._begin_anew(error)
            rows = super().fetchmany(size)
        self._given += len(rows)
        return rows

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        try:
            rows = super().fetchall()
        except sqlite3.OperationalError as error:
            self._begin_anew(error)
            rows = super().fetchall()
        self._given += len(rows)
        return rows

    def __next__(self) -> Any:
        """Return the next row of an iteration."""
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def _begin_anew(self, error: sqlite3.OperationalError) -> None:
        """Execute the query once more with a tolerant decoder, up to the rows that were fetched. Raise other errors."""
        is_ours = str(error).startswith(UNDECODABLE) and self.connection.text_factory is str
        if not is_ours or not READS.match(self._asked[0]):
            raise error
        logger.warning(
            "Text in the database is not UTF-8: another program wrote it. \ufffd stands for what cannot be read. %s",
            str(error).partition(" with text ")[0],
        )
        self.connection.text_factory = self.wrapper.decoded
        given = self._given
        self.execute(*self._asked)
        if given:
            self.fetchmany(given)


class DatabaseWrapper(TimedTransactions, base.DatabaseWrapper):
    """Django's connection with timed transactions. Django requires this name."""

    texts_mended = 0  # that were read so far although they are not UTF-8

    def create_cursor(self, name: Any = None) -> Any:
        """Return a cursor that reads any text."""
        cursor = self.connection.cursor(factory=TolerantCursor)
        cursor.wrapper = self
        return cursor

    def decoded(self, text: bytes) -> str:
        """Return the text, with U+FFFD for each byte that is not UTF-8."""
        try:
            return text.decode()
        except UnicodeDecodeError:
            self.texts_mended += 1
            return text.decode(errors="replace")

    def get_new_connection(self, conn_params: Any) -> Any:
        """Open the database; make a file that is not there yet with the mode 0600, which -wal and -shm take over.

        What root makes belongs to the owner of the directory, whose processes could not open it otherwise.
        """
        if not self.is_in_memory_db():
            # Never open a file that is there: closing it would drop the locks of this process (fcntl(2)). Where it
            # cannot be made, SQLite says so itself in the next line.
            with contextlib.suppress(OSError):
                file = os.open(conn_params["database"], os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(file):
                    owner = Path(conn_params["database"]).parent.stat()
                    if os.geteuid() == 0:
                        os.fchown(file, owner.st_uid, owner.st_gid)
        return super().get_new_connection(conn_params)
