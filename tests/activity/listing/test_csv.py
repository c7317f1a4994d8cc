"""Every download: formulas neutralised, control characters gone, streamed, and recorded however it ends."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from activity import log
from activity.listing import csv as downloads
from activity.listing.csv import neutral
from activity.listing.database_csv import _LEADS, FORMULA_FORMS, SUSPECT
from activity.models import LogEntry
from activity.text import UNSEEN, VARIANTS, plain
from activity.verbs import Verb
from tests.support import pages
from tests.support.entries import UNSEEN_BEFORE, download, make_entry

AsUser = Callable[[User], Client]


@pytest.mark.parametrize(
    "start",
    [
        "=",
        "+",
        "-",
        "@",
        "\t=",
        "\r=",
        "\n=",
        "\x00=",
        " =",
        "\t",
        "\r",
        "\x00",
        "\x1b=",
        "\u202e=",
        "\uff1d",
        "\uff0b",
        "\uff0d",
        "\uff20",
        "\u200b=",
        "\ufeff =",
        "\u3000\u200b =",
        *(f"{unseen}=" for unseen in UNSEEN_BEFORE),
        *('"=', '""+', ' "-', '"\u200b"@', "\uff02=", '\u2800"\ufe0f=', "'\u3164="[1:]),
        *("\u207c", "\u208a", "\ufe63", "\ufe6b", "\ufb29", "\u2a75", "\u2063\ufe66", "=\u0338"),
    ],
)
def test_no_cell_begins_like_a_formula(start: str) -> None:
    cell = neutral(f"{start}cmd|' /C calc'!A0")
    assert cell.startswith("'")
    assert "cmd|" in cell


def test_the_forms_of_formulas_and_the_bytes_they_begin_with_are_all_known() -> None:
    every = [chr(number) for number in range(0x80, 0x110000) if not 0xD800 <= number < 0xE000]
    hidden = re.compile(f"[{UNSEEN}]")
    forms = [each for each in every if unicodedata.normalize("NFKC", each).lstrip()[:1] in set('=+-@"')]
    assert sorted(forms) == sorted(FORMULA_FORMS)
    assert {each.encode()[0] for each in every if SUSPECT.match(each)} == set(_LEADS)
    missed = [each for each in every if unicodedata.category(each) == "Cc" or each in "\u2028\u2029"]
    assert not [hex(ord(each)) for each in missed if not hidden.match(each)]


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("hello", "a=b", "it's", "Zürich, 8000", 'say "x"', "1-2", "", "2001:db8::1", "日本語"):
        assert neutral(text) == text


def test_control_characters_become_spaces() -> None:
    assert neutral("a\x1b[31mb\r\nc\x07d\u202ee\x9bf") == "a [31mb c d e f"


@pytest.mark.parametrize("unseen", UNSEEN_BEFORE)
def test_what_nobody_sees_is_nowhere_in_a_line(unseen: str) -> None:
    """A space stands for it, but for what only chooses a shape of the letter before."""
    shape = re.fullmatch(f"[{VARIANTS}]", unseen)
    assert plain(f"a{unseen}b") == ("ab" if shape else "a b")
    assert plain(f"{unseen}a{unseen}{unseen}") == "a"
    assert plain(f"a{unseen}\x1b{unseen}\u202eb").split() == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f4bb", "日本語", "Zürich"]
)
def test_what_a_language_needs_stays(text: str) -> None:
    assert plain(text) == neutral(text) == text


def test_numbers_times_durations_and_truth_have_one_form() -> None:
    zurich = dt.timezone(dt.timedelta(hours=1))
    assert neutral(-5) == "-5"
    assert neutral(1.5) == "1.5"
    assert neutral(None) == ""
    assert (neutral(True), neutral(False)) == ("yes", "no")
    assert neutral(dt.datetime(2026, 1, 1, 0, 30, tzinfo=zurich)) == "2025-12-31T23:30:00+00:00"
    assert neutral(dt.timedelta(hours=1, seconds=2)) == "3602"


def test_quotes_commas_and_separators_survive_a_reader(as_user: AsUser, auditor: User) -> None:
    texts = ['say "hello", twice', "a;b\ttab", '=HYPERLINK("http://x")', "semi;colon,comma"]
    for text in texts:
        make_entry(text)
    rows = download(as_user(auditor).get("/activity/", {"csv": "1", "sort": "at"}))
    assert [row["Message"] for row in rows][-5:-1] == [
        'say "hello", twice',
        "a;b tab",
        '\'=HYPERLINK("http://x")',
        "semi;colon,comma",
    ]


def test_the_file_has_one_heading_line_and_no_comment(as_user: AsUser, auditor: User) -> None:
    make_entry("only")
    answer = as_user(auditor).get("/activity/", {"csv": "1", "activity": "only"})
    lines = list(csv.reader(io.StringIO(pages.streamed(answer).decode(), newline="")))
    assert len(lines) == 2
    assert len(lines[0]) == len(lines[1]) == 16


def test_rows_are_streamed_and_never_held_together(as_user: AsUser, auditor: User) -> None:
    LogEntry.objects.bulk_create(LogEntry(verb=Verb.LOGIN, message=f"row {number}") for number in range(5000))
    browser = as_user(auditor)
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get("/activity/", {"csv": "1", "activity": "row"})
        unread = pages.pieces(answer)
        asked = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
        assert not [sql for sql in asked if "row" in sql and "activity_logentry" in sql]
        pieces = list(unread)
    assert len(pieces) > 5
    assert max(len(piece) for piece in pieces) < 100_000
    assert sum(piece.count(b"\r\n") for piece in pieces) == 5001
    assert LogEntry.objects.get(verb=Verb.EXPORTED).details["rows"] == 5000


def test_a_whole_download_is_recorded_with_its_rows_and_filters(as_user: AsUser, auditor: User) -> None:
    make_entry("backup one")
    make_entry("backup two")
    answer = as_user(auditor).get("/activity/", {"csv": "1", "activity": "backup"}, REMOTE_ADDR="203.0.113.5")
    assert not LogEntry.objects.filter(verb=Verb.EXPORTED).exists()  # how much left is recorded at the end
    assert len(download(answer)) == 2
    entry = LogEntry.objects.get(verb=Verb.EXPORTED)
    assert entry.message == "Downloaded 2 entries in the last 7 days as CSV"
    assert (entry.actor, entry.ip) == (auditor, "203.0.113.5")
    assert entry.details["complete"] is True
    assert entry.details["rows"] == 2
    assert entry.details["filters"] == {"activity": "backup"}
    began = LogEntry.objects.get(verb=Verb.EXPORT_BEGAN)
    assert began.message == "Began to download entries in the last 7 days as CSV"
    assert (began.actor, began.ip, began.pk < entry.pk) == (auditor, "203.0.113.5", True)
    listed = {"list": "activity-log-last-7-days-keyword-backup", "filters": {"activity": "backup"}, "format": "csv"}
    assert began.details == listed


def test_the_file_of_the_log_does_not_hold_its_own_beginning(as_user: AsUser, auditor: User) -> None:
    browser = as_user(auditor)
    assert Verb.EXPORT_BEGAN not in [row["Verb"] for row in download(browser.get("/activity/?csv=1"))]
    assert [row["Verb"] for row in download(browser.get("/activity/?csv=1"))].count(Verb.EXPORT_BEGAN) == 1  # the first


OUTAGES = {
    "database or disk is full": "The disk of the console is full",
    "attempt to write a readonly database": "The console cannot write to its database",
    "database is locked": "The database of the console is busy",
}


def fail_to_log(monkeypatch: pytest.MonkeyPatch, verb: Verb, error: Exception) -> None:
    def fails(given: Verb, *args: Any, **values: Any) -> LogEntry:
        if given == verb:
            raise error
        return record(given, *args, **values)

    record = log.record
    monkeypatch.setattr(log, "record", fails)


@pytest.mark.parametrize("said", OUTAGES)
def test_what_cannot_be_logged_does_not_leave_and_the_page_says_why(
    as_user: AsUser, auditor: User, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    browser = as_user(auditor)
    with monkeypatch.context() as disturbed:
        fail_to_log(disturbed, Verb.EXPORT_BEGAN, OperationalError(said))
        browser.raise_request_exception = False
        for _ in range(3):  # more than may run at a time: each gives its place back
            answer = browser.get("/activity/?csv=1")
            assert answer.status_code == 503
            page = pages.elements(answer)
            assert pages.texts(page, ".//h1") == [OUTAGES[said]]
            assert "Nothing was changed." in pages.text(page.find(".//main"))
    assert not LogEntry.objects.filter(verb__in=[Verb.EXPORT_BEGAN, Verb.EXPORTED]).exists()
    assert browser.get("/activity/?csv=1").status_code == 200


def test_an_end_that_cannot_be_logged_breaks_no_file_and_is_said_in_one_line(
    as_user: AsUser, auditor: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_entry("backup one")
    fail_to_log(monkeypatch, Verb.EXPORTED, OperationalError("database or disk is full"))
    assert len(download(as_user(auditor).get("/activity/", {"csv": "1", "activity": "backup"}))) == 1
    assert LogEntry.objects.get(verb=Verb.EXPORT_BEGAN).actor == auditor
    [line] = [entry for entry in caplog.records if entry.name == "activity.listing.download"]
    assert line.exc_info is None
    assert line.getMessage() == (
        "Not in the activity log: Downloaded 1 entries in the last 7 days as CSV (auditor). The disk of the console is "
        "full: database or disk is full"
    )


@pytest.mark.django_db(transaction=True)  # closing an answer closes the connection, as on a server
def test_a_download_that_is_broken_off_is_recorded_too(as_user: AsUser, auditor: User) -> None:
    LogEntry.objects.bulk_create(LogEntry(verb=Verb.LOGIN, message=f"row {number}") for number in range(2000))
    answer = as_user(auditor).get("/activity/", {"csv": "1", "activity": "row"})
    pieces = pages.pieces(answer)
    next(pieces)
    next(pieces)
    answer.close()
    entry = LogEntry.objects.get(verb=Verb.EXPORTED)
    assert entry.details["complete"] is False
    assert entry.details["rows"] == 500
    assert entry.message.endswith("; the download was broken off")


def test_a_download_that_fails_is_recorded_and_fails(
    as_user: AsUser, auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entry("=backup")  # a cell that Python looks at

    def fail(value: object) -> str:
        raise RuntimeError("the disk is gone")

    answer = as_user(auditor).get("/activity/", {"csv": "1", "activity": "backup"})
    monkeypatch.setattr(downloads, "neutral", fail)
    with pytest.raises(RuntimeError, match="disk"):
        download(answer)
    assert LogEntry.objects.get(verb=Verb.EXPORTED).details["complete"] is False
