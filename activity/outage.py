"""Distinguish an outage from a fault in the console's own code.

In an outage the database is busy, cannot be reached or cannot be written to, or the disk is full. Then the same request
works later, and a traceback helps nobody. Pure: this module looks at an exception and at nothing else.
"""

from __future__ import annotations

import enum
import errno
import sqlite3
from collections.abc import Iterator

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import DatabaseError, InterfaceError

PRIMARY = 0xFF  # the primary part of an extended result code of SQLite (sqlite.org/rescode.html)
SQLITE_CODES = {
    sqlite3.SQLITE_BUSY: "BUSY",
    sqlite3.SQLITE_LOCKED: "BUSY",
    sqlite3.SQLITE_READONLY: "READ_ONLY",
    sqlite3.SQLITE_FULL: "FULL",
    sqlite3.SQLITE_IOERR: "UNUSABLE",
    sqlite3.SQLITE_CANTOPEN: "UNUSABLE",
}
# From Appendix A of PostgreSQL's manual. Two characters stand for all codes that begin with them.
POSTGRESQL_CODES = {
    "08": "AWAY",
    "28": "AWAY",  # the database refuses the console's role or password
    "3D": "AWAY",  # there is no such database
    "57P01": "AWAY",
    "57P02": "AWAY",
    "57P03": "AWAY",
    "57P05": "AWAY",
    "57014": "BUSY",  # a statement was cancelled, for example because it took too long
    "53300": "BUSY",  # too many connections
    "53200": "BUSY",
    "40001": "BUSY",
    "40P01": "BUSY",
    "55P03": "BUSY",
    "25006": "READ_ONLY",
    "25P03": "BUSY",  # the transaction was idle for too long (time_limits.py)
    "53100": "FULL",
    "58": "UNUSABLE",
}
# Django raises these whenever it cannot save a browser's session. The true cause is in their __context__.
HIDES_ITS_CAUSE = (SessionInterrupted, UpdateError)
ERRNO = {errno.ENOSPC: "FULL", errno.EDQUOT: "FULL", errno.EROFS: "READ_ONLY"}


class Outage(enum.Enum):
    """What does not work at the moment. `heading` tells a person, and `remedy` says what the person can do."""

    BUSY = ("The database of the console is busy", "Try again in a moment. If it lasts, tell an administrator.", 5)
    AWAY = ("The database of the console cannot be reached", "Try again in a minute, or tell an administrator.", 30)
    FULL = ("The disk of the console is full", "Tell an administrator, who makes room on it.", 60)
    READ_ONLY = (
        "The console cannot write to its database",
        "You can still read what is there. An administrator has to make it writable again.",
        60,
    )
    UNUSABLE = ("The console cannot use its disk", "Tell an administrator, who looks at the server.", 60)

    def __init__(self, heading: str, remedy: str, retry_after: int) -> None:
        self.heading = heading
        self.remedy = remedy
        self.retry_after = retry_after  # seconds

    @classmethod
    def of(cls, error: BaseException | None) -> Outage | None:
        """Return the outage that `error` or one of its causes means; None if it is another kind of fault."""
        for one in _with_causes(error):
            name = _name(one)
            if name:
                return cls[name]
        return None


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__context__ if isinstance(error, HIDES_ITS_CAUSE) else error.__cause__


def _name(error: BaseException) -> str:
    """Return the name of the outage that this exception means, without its causes; otherwise an empty string."""
    if isinstance(error, DatabaseError | InterfaceError):
        return "" if error.__cause__ is not None else _of_words(str(error))
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return SQLITE_CODES.get(code & PRIMARY, "") if code is not None else _of_words(str(error))
    if isinstance(error, OSError):
        return ERRNO.get(error.errno or 0, "")
    return _of_postgresql(error)


def _of_postgresql(error: BaseException) -> str:
    """Return the name of the outage that an error of psycopg means; otherwise an empty string.

    An error without a code is AWAY: the connection could not be made, or it was cut.
    """
    if not type(error).__module__.startswith("psycopg"):
        return ""
    state = getattr(error, "sqlstate", None)
    if state is None:
        return "AWAY" if type(error).__name__ in ("OperationalError", "ConnectionTimeout", "InterfaceError") else ""
    return POSTGRESQL_CODES.get(state) or POSTGRESQL_CODES.get(state[:2], "")


def _of_words(text: str) -> str:
    """Return the name of the outage that a text without a code tells of, or an empty string.

    SQLite gives some errors no code, and other programs raise errors in its name.
    """
    for words, name in (("locked", "BUSY"), ("disk is full", "FULL"), ("readonly database", "READ_ONLY")):
        if words in text:
            return name
    return ""
