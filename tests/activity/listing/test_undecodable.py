"""A row whose text is not UTF-8, as another program can write it with SQLite, breaks no page and no download."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client

from activity import append_only, text_index
from activity.listing.csv import neutral, written_here
from activity.listing.database_csv import Sheet
from activity.models import LOG_WORDS, LogEntry
from activity.tables import COLUMNS
from activity.verbs import Verb
from tests.support import pages
from tests.support.entries import download, make_entry, search_for, table_rows

AsUser = Callable[[User], Client]
FORGED = "Größe for\ufffdged \ufffd("  # a letter of two bytes, too: only such text is folded by Python
pytestmark = [pytest.mark.sqlite_only, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def tampered() -> Iterator[LogEntry]:
    """Yield the middle one of 1,201 entries, which is in the second piece of a download. Its text is not UTF-8."""
    LogEntry.objects.bulk_create(LogEntry(verb=Verb.LOGIN, message=f"row {number}") for number in range(600))
    entry = make_entry("was true")
    LogEntry.objects.bulk_create(LogEntry(verb=Verb.LOGIN, message=f"row {number}") for number in range(601, 1201))
    append_only.remove(connection)
    with connection.cursor() as cursor:
        message = "Größe ".encode() + b"for\xffged \xc3\x28"
        cursor.execute(
            "UPDATE activity_logentry SET message = CAST(%s AS TEXT), details = CAST(%s AS TEXT) WHERE id = %s",
            [message, b'{"to": "\xe9"}', entry.pk],
        )
    append_only.renew(connection)
    connection.close()  # what it noted of such texts goes with it
    yield entry
    connection.close()


def run_in_thread(deed: Callable[[], object]) -> None:
    """Do it with another connection."""

    def run() -> None:
        deed()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_pages_and_downloads_show_what_can_be_read(
    tampered: LogEntry, as_user: AsUser, auditor: User, caplog: pytest.LogCaptureFixture
) -> None:
    browser = as_user(auditor)
    page = browser.get("/activity/", {"activity": "Log", "after": ""})
    assert page.status_code == 200
    rows = download(browser.get("/activity/", {"csv": "1"}))
    messages = [row["Message"] for row in rows if row["Verb"] != Verb.EXPORT_BEGAN and not row["User"]]
    assert messages[-1201:].count(FORGED) == 1
    assert len({row["ID"] for row in rows}) == len(rows) >= 1201
    (end,) = LogEntry.objects.filter(verb=Verb.EXPORTED)
    assert end.message.endswith("; it has \ufffd for text that is not UTF-8, which another program wrote")
    entry = browser.get(f"/activity/{tampered.pk}/")
    assert FORGED in pages.text(pages.elements(entry))
    assert caplog.text.count("is not UTF-8: another program wrote it") >= 1


def test_both_ways_of_a_download_have_each_row_once(tampered: LogEntry) -> None:
    rows = LogEntry.objects.order_by("pk")
    pieces = Sheet(rows, [column.expression for column in COLUMNS], neutral).pieces()
    begun = next(pieces)
    run_in_thread(lambda: make_entry("came while it was written"))
    by_database = b"".join(piece for piece, _ in [begun, *pieces])
    connection.close()
    pieces = written_here(rows.exclude(message="came while it was written"), COLUMNS)
    by_python = b"".join(piece for piece, _ in pieces)
    assert by_database == by_python
    assert by_database.count(b"\r\n") == 1201
    assert by_database.decode().count("\ufffd") == 3


def test_a_search_finds_it_and_entries_are_written_on(tampered: LogEntry, as_user: AsUser, auditor: User) -> None:
    ask = {"period": "1y", "activity": "GRÖSSE ged"}
    assert [row["Message"] for row in table_rows(as_user(auditor).get("/activity/", ask))] == [FORGED]
    columns = [field.attname for field in LogEntry._meta.concrete_fields if not field.primary_key]
    with connection.cursor() as cursor:  # one that waits to be put into the index of words, as it is
        cursor.execute(
            f"INSERT INTO activity_logentry ({', '.join(columns)}) "  # noqa: S608 - our own names
            f"SELECT {', '.join(columns)} FROM activity_logentry WHERE id = %s",
            [tampered.pk],
        )
    before = LogEntry.objects.count()
    for number in range(text_index.WAITING):
        make_entry(f"later {number}")
    assert LogEntry.objects.count() == before + text_index.WAITING
    assert [row["Message"] for row in table_rows(as_user(auditor).get("/activity/", ask))] == [FORGED] * 2


def test_an_index_that_gives_the_text_itself_to_python_is_made_anew(tampered: LogEntry) -> None:
    name, table = LOG_WORDS.name, LOG_WORDS.table
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}_added")
        old = f"SELECT activity_fold(message) FROM {table} WHERE id = {tampered.pk}"  # noqa: S608 - our own names
        cursor.execute(f"CREATE TRIGGER {name}_added AFTER INSERT ON {table} BEGIN {old}; END")
    with pytest.raises(OperationalError, match="user-defined function raised exception"):
        make_entry("cannot be written")
    assert text_index.ensure(LOG_WORDS)
    make_entry("can be written")
    assert search_for("größe forge").applied(LogEntry.objects.all()).count() == 0
    assert search_for("größe ged").applied(LogEntry.objects.all()).get() == tampered


@pytest.mark.parametrize(
    "writes",
    [
        "INSERT INTO made SELECT CAST(%s AS TEXT) RETURNING text",
        "WITH bad AS (SELECT CAST(%s AS TEXT) AS text) INSERT INTO made SELECT text FROM bad RETURNING text",
    ],
)
def test_a_statement_that_writes_is_never_executed_again(writes: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE made (text TEXT)")
        cursor.execute(writes, [b"\xff"])
        with pytest.raises(OperationalError, match="Could not decode"):
            cursor.fetchall()
        cursor.execute("SELECT COUNT(*) FROM made")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("WITH bad AS (SELECT text FROM made) SELECT text FROM bad")
        assert cursor.fetchall() == [("\ufffd",)]
    connection.close()  # the table goes with it


def test_rows_are_read_by_a_loop_too(tampered: LogEntry) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT message FROM activity_logentry WHERE id >= %s ORDER BY id LIMIT 3", [tampered.pk - 1])
        assert list(cursor) == [("row 599",), (FORGED,), ("row 601",)]


def test_other_errors_are_raised_and_rows_are_read_one_by_one_too(tampered: LogEntry) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT message FROM activity_logentry WHERE id >= %s ORDER BY id", [tampered.pk - 1])
        assert [cursor.fetchone() for _ in range(3)] == [("row 599",), (FORGED,), ("row 601",)]
        assert len(cursor.fetchall()) == 599
        connection.connection.text_factory = str
        cursor.execute("SELECT message FROM activity_logentry ORDER BY id")
        assert len(cursor.fetchall()) == 1201
        connection.connection.text_factory = str
        cursor.execute("SELECT abs(-9223372036854775808 + id) FROM (SELECT 1 AS id UNION ALL SELECT 0)")
        with pytest.raises(OperationalError, match="integer overflow"):
            cursor.fetchall()
