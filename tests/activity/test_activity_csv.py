"""Download on the activity log: exactly what is filtered, all of it, with documented columns and a telling name."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.models import Level, LogEntry
from activity.tables import COLUMNS
from activity.verbs import Verb
from tests.support import pages
from tests.support.entries import ago, download, make_entry

AsUser = Callable[[User], Client]
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "activity-log.md"


def test_every_column_of_an_entry(as_user: AsUser, auditor: User, alice: User, admin: User) -> None:
    entry = make_entry(
        "Locked it",
        dt.datetime(2026, 1, 31, 12, 0, 5, 123456, tzinfo=dt.UTC),
        actor=admin,
        user=alice,
        verb=Verb.SESSION_LOCKED,
        level=Level.WARNING,
        ip="203.0.113.9",
        target_type="sessions_app.privilegedsession",
        target_id=7,
        target_name="Patch Linux on web-1",
        details={"to": "locked", "from": "available", "ä": "\x1b[31m=x"},
    )
    browser = as_user(auditor)
    browser.cookies["timezone"] = "Asia/Tokyo"  # the file is in UTC whoever reads it
    (row,) = download(browser.get("/activity/", {"csv": "1", "since": "2026-01-31", "until": "2026-01-31"}))
    details = row.pop("Details")
    assert row == {
        "ID": str(entry.pk),
        "Date and time": "2026-01-31T12:00:05.123456+00:00",
        "Level": "warning",
        "Actor": "admin",
        "User": "alice",
        "Verb": "session.locked",
        "Activity": "Session locked",
        "Message": "Locked it",
        "Target type": "sessions_app.privilegedsession",
        "Target ID": "7",
        "Target": "Patch Linux on web-1",
        "IP": "203.0.113.9",
        "Actor now": "",
        "User now": "",
        "Outcome": "success",
    }
    assert list(row)[-1] == "Outcome"  # whoever counts the columns still finds the others
    assert json.loads(details) == entry.details


def test_it_holds_what_is_filtered_in_the_same_order_and_more_than_a_page(
    as_user: AsUser, auditor: User, alice: User
) -> None:
    for number in range(250):
        make_entry(f"backup {number}", ago(minutes=number), actor=alice, user=alice)
    make_entry("backup of somebody else")
    make_entry("backup of last month", ago(days=20), actor=alice, user=alice)
    make_entry("login", actor=alice, user=alice)
    asked = {"csv": "1", "user": "alice", "activity": "backup", "level": "info"}
    browser = as_user(auditor)
    assert [row["Message"] for row in download(browser.get("/activity/", asked))] == [
        f"backup {number}" for number in range(250)
    ]
    ascending = download(browser.get("/activity/", asked | {"sort": "at"}))
    assert [row["Message"] for row in ascending] == [f"backup {number}" for number in range(249, -1, -1)]


def test_hidden_columns_are_in_the_file(as_user: AsUser, auditor: User) -> None:
    make_entry("there")
    browser = as_user(auditor)
    browser.post("/activity/columns/activity/", {"all": ["message", "at"], "shown": ["at"]})
    assert "there" in [row["Message"] for row in download(browser.get("/activity/?csv=1"))]


def test_others_download_their_own_entries_only(as_user: AsUser, alice: User, outsider: User) -> None:
    make_entry("of alice", actor=alice, user=alice)
    make_entry("of the outsider", actor=outsider, user=outsider)
    seen = [row["Message"] for row in download(as_user(alice).get("/activity/?csv=1"))]
    assert "of alice" in seen
    assert "of the outsider" not in seen


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({}, "activity-log-last-7-days"),
        ({"period": "24h"}, "activity-log-last-24-hours"),
        ({"period": "1y", "level": "problems"}, "activity-log-last-year-level-problems"),
        ({"outcome": "success", "outcome_is": "not"}, "activity-log-last-7-days-outcome-not-success"),
        ({"since": "2026-01-01", "until": "2026-01-31"}, "activity-log-2026-01-01-to-2026-01-31"),
        ({"user": "alice", "activity": "web 1/../x"}, "activity-log-last-7-days-user-alice-keyword-web-1x"),
        ({"activity": '"; filename="evil.exe\r\n'}, "activity-log-last-7-days-keyword-filenameevilexe"),
    ],
)
def test_the_files_name_says_what_and_when(
    as_user: AsUser, auditor: User, alice: User, asked: dict[str, str], name: str
) -> None:
    answer = as_user(auditor).get("/activity/", asked | {"csv": "1"})
    assert answer.status_code == 200
    disposition = answer["Content-Disposition"]
    assert disposition.startswith(f'attachment; filename="{name}-2')
    stamp = disposition.removeprefix(f'attachment; filename="{name}-').removesuffix('.csv"')
    when = dt.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    assert abs(when - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "simple", "name"),
    [
        ("備份", "__", "備份"),
        ("Müller", "muller", "müller"),
        ("Łukasz", "_ukasz", "łukasz"),
        ("Анна-Мария", "____-_____", "анна-мария"),
        ("L\u0065\u0301a", "lea", "léa"),  # composed
        ("हिन्दी", "_____", "हिन्दी"),
        ("🔥 ''", "other", "other"),
        ("a" * 90, "a" * 60, "a" * 60),
        ("日" * 90, "_" * 20, "日" * 20),
    ],
)
def test_the_files_name_keeps_every_script(as_user: AsUser, auditor: User, text: str, simple: str, name: str) -> None:
    """RFC 6266: `filename` for programs that know no better, `filename*` for all others."""
    disposition = as_user(auditor).get("/activity/", {"csv": "1", "activity": text})["Content-Disposition"]
    found = re.fullmatch(
        r"attachment; filename=\"activity-log-last-7-days-keyword-(.+)-\d{8}T\d{6}Z\.csv\""
        r"(?:; filename\*=UTF-8''activity-log-last-7-days-keyword-(.+)-\d{8}T\d{6}Z\.csv)?",
        disposition,
    )
    assert found is not None, disposition
    assert found[1] == simple
    assert unquote(found[2] or found[1]) == name
    assert (found[2] is None) == name.isascii()


def test_a_byte_order_mark_is_there_for_who_wants_one(as_user: AsUser, auditor: User, admin: User) -> None:
    client = as_user(auditor)

    def begins() -> bytes:
        return pages.streamed(client.get("/activity/?csv=1"))[:5]

    assert begins() == b"ID,Da"
    form = pages.fields(pages.elements(client.get("/accounts/me/")), ".//form[@action='/activity/downloads/']")
    assert "has_byte_order_mark" not in form
    answer = client.post("/activity/downloads/", form | {"has_byte_order_mark": "on"})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/me/#downloads")
    assert begins() == b"\xef\xbb\xbfID"
    assert pages.streamed(as_user(admin).get("/activity/?csv=1"))[:2] == b"ID"  # theirs, read whole
    page = pages.elements(client.get("/accounts/me/"))
    form = pages.fields(page, ".//form[@action='/activity/downloads/']")
    assert form.pop("has_byte_order_mark") == "on"
    client.post("/activity/downloads/", form)
    assert begins() == b"ID,Da"


def test_a_wrong_filter_gives_no_file(as_user: AsUser, auditor: User) -> None:
    assert as_user(auditor).get("/activity/?csv=1&user=nobody").status_code == 400
    assert not LogEntry.objects.filter(verb=Verb.EXPORTED).exists()


def test_the_page_calls_it_download_and_links_to_what_is_filtered(as_user: AsUser, auditor: User, alice: User) -> None:
    link = pages.elements(as_user(auditor).get("/activity/?user=alice&period=1m")).find(".//a[@id='download']")
    assert link is not None
    assert link.get("href") == "/activity/?user=alice&period=1m&csv=1"
    assert pages.text(link) == "Download"


def test_the_document_names_every_column_and_every_verb() -> None:
    lines = DOCUMENT.read_text().splitlines()
    for column in COLUMNS:
        assert any(line.startswith(f"| {column.label} |") for line in lines), column.label
    for verb in Verb:
        assert any(line.startswith(f"| `{verb.value}` | {verb.label} |") for line in lines), verb.value
