"""Log entries at any time, and what people see of them: rows of a page, rows of a download, another connection."""

from __future__ import annotations

import csv
import datetime as dt
import io
import sqlite3
from html.parser import HTMLParser
from typing import Any

import psycopg
from django.db import connection
from django.utils import timezone

from activity import folding
from activity.filters import terms_of
from activity.models import LOG_WORDS, LogEntry
from activity.text_index import Search
from activity.verbs import Verb
from tests.support.pages import ClientResponse, streamed

# Characters of no width, or of no ink.
UNSEEN_BEFORE = (
    *"\u180e\u061c\u034f\u115f\u3164\uffa0\u2800\ufe0f\u2061\u2063\u206f\u17b4\u180b\U000e0001",
    *"\u00ad\u1160\u17b5\u180d\u180f\u200b\u200c\u200d\u200e\u2028\u2029\u2064\u206a\ufe00\ufeff\ufff0\ufff9\ufffb",
    *"\U0001bca0\U0001d173\U000e0020\U000e007f\U000e0100\U000e0fff",
)

# Details of entries log.pruned that somebody wrote into the database.
FORGED_PRUNINGS: tuple[Any, ...] = (
    *({"before": before} for before in ("soon", "", None, 5, ["2026-01-01"], "2026-01-01T00:00:00")),
    *({"before": before} for before in ("9998-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00")),
    *({}, 5, "before", ["before"]),
)


def make_entry(message: str = "something", at: dt.datetime | None = None, **values: Any) -> LogEntry:
    """Create a log entry at any time. `actor` and `user` are accounts, whose names it stores."""
    for role in ("actor", "user"):
        if values.get(role) is not None:
            values.setdefault(f"{role}_name", values[role].username)
    return LogEntry.objects.create(**({"verb": Verb.LOGIN, "message": message, "at": at or timezone.now()} | values))


def search_for(text: str) -> Search:
    """Return the entries with every word of the keyword, as the filter of the log looks for them."""
    return Search(tuple(terms_of(text)), LOG_WORDS)


def ago(**parts: float) -> dt.datetime:
    return timezone.now() - dt.timedelta(**parts)


class _Rows(HTMLParser):
    """The texts of every table row of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data.strip()


def table_rows(response: Any) -> list[dict[str, str]]:
    """Return the rows of the page's first table, each by column heading."""
    parser = _Rows()
    parser.feed(response.content.decode())
    if not parser.rows:
        return []
    heading, *rows = parser.rows
    return [dict(zip(heading, row, strict=True)) for row in rows if len(row) == len(heading)]


def messages(response: Any) -> list[str]:
    """Return the messages of the entries on the page, in its order."""
    assert response.status_code == 200, response.content.decode()
    return [row["Message"] for row in table_rows(response)]


def download(response: Any) -> list[dict[str, str]]:
    """Return the rows of a CSV download, as Python's csv module reads them."""
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(streamed(response).decode(), newline="")))


def problem(response: ClientResponse) -> str:
    """Return the text of a 400 answer of a list."""
    assert response.status_code == 400
    return response.content.decode().split('class="problem"')[1].split("</div>")[0]


def another_connection(database: str | None = None) -> Any:
    """Open a connection without Django and outside of the test's transaction, as another program would.

    On PostgreSQL `database` names another database of the same server.
    """
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        other = sqlite3.connect(settings["NAME"], timeout=0, isolation_level=None)
        folding.add_to_sqlite(other)
        return other
    return psycopg.connect(
        dbname=database or settings["NAME"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        host=settings["HOST"],
        port=settings["PORT"],
        autocommit=True,
    )
