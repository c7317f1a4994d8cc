"""Downloads as JSON Lines and as Excel workbooks: every row and every value, nothing that a program could run."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.contrib.auth.models import User
from django.test import Client

from activity.listing import workbook
from activity.listing.ids import RowIds
from activity.listing.json_lines import json_pieces
from activity.listing.source import Source
from activity.listing.workbook import LONGEST_TEXT, workbook_pieces
from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.logins.models import LoginSession
from sessions_app.privileged.models import Status
from tests.support import pages
from tests.support.builders import make_session
from tests.support.entries import make_entry

AsUser = Callable[[User], Client]
NOON = dt.datetime(2026, 1, 31, 12, 0, 5, 123456, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _directory(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def source(*rows: Sequence[object]) -> Source:
    count = len(rows[0]) if rows else 1
    labels = [f"Column {number}" for number in range(count)]
    return Source(name="list", nouns="rows", keys=[f"c{number}" for number in range(count)], labels=labels, rows=rows)


def sheets(data: bytes) -> list[list[tuple[Any, ...]]]:
    """Return the cells of each sheet, as another library reads them."""
    book = openpyxl.load_workbook(io.BytesIO(data))
    return [[tuple(cell.value for cell in row) for row in sheet.iter_rows()] for sheet in book.worksheets]


def written(*rows: Sequence[object]) -> bytes:
    return b"".join(piece for piece, _ in workbook_pieces(source(*rows), RowIds()))


def test_a_workbook_has_real_dates_and_numbers() -> None:
    zurich = dt.timezone(dt.timedelta(hours=1))
    data = written([NOON.astimezone(zurich), 7, 1.5, True, dt.timedelta(hours=30, minutes=5), None, "", 2**60])
    (heading, row), *_ = sheets(data)
    assert heading[0] == "Column 0"
    assert row[0] == dt.datetime(2026, 1, 31, 12, 0, 5, 123000)  # noqa: DTZ001 - UTC; a workbook knows no zones
    assert row[1:4] == (7, 1.5, True)
    assert row[4] == dt.timedelta(hours=30, minutes=5)
    assert row[5:7] == (None, None)
    assert row[7] == str(2**60)  # a number there has 15 digits
    cell = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]["A2"]
    assert cell.is_date
    assert "UTC" in cell.number_format


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "@SUM(A1)",
        "{=1+1}",
        '=HYPERLINK("http://evil.example")',
        "http://example.com",
        "mailto:a@example.com",
        "internal:Sheet2!A1",
        "<r><t>bold</t></r>",
        "</t></is></c><c><f>1+1</f></c>",
        "_x0041_",
        "0123",
        "1e5",
        "日本語 & <b>",
    ],
)
def test_text_stays_text_in_a_workbook(text: str) -> None:
    data = written([text])
    cell = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]["A2"]
    # openpyxl does not undo the escape of _x0041_, which Excel does.
    assert cell.value == text.replace("_x0041_", "_x005F_x0041_")
    assert cell.data_type in ("s", "inlineStr")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet
    assert b"<hyperlink" not in sheet


def test_what_a_cell_cannot_hold_is_mended_and_cut_where_it_says_so() -> None:
    (_, row), *_ = sheets(
        written(["a\x00b\nc\ud800", "x" * 40_000, "😀" * 20_000, dt.datetime(1850, 1, 1, tzinfo=dt.UTC)])
    )
    assert row[0] == "a b c?"
    assert len(row[1]) == LONGEST_TEXT
    assert row[1].endswith("(cut: a cell of a workbook holds no more)")
    assert len(row[2].encode("utf-16-le")) // 2 <= LONGEST_TEXT
    assert row[3] == "1850-01-01 00:00:00+00:00"


def test_more_rows_than_a_sheet_has_go_on_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 4)
    found = sheets(written(*([number] for number in range(7))))
    assert [[row[0] for row in sheet] for sheet in found] == [
        ["Column 0", 0, 1, 2],
        ["Column 0", 3, 4, 5],
        ["Column 0", 6],
    ]


def test_a_workbook_that_nobody_waits_for_leaves_nothing_behind(tmp_path: Path) -> None:
    made = workbook_pieces(source(*([number] for number in range(2000))), RowIds())
    assert next(made) == (b"", 500)  # whoever reads can break off here
    assert list(tmp_path.glob("workbook-*"))
    made.close()
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    for name, age in (("workbook-old", 25 * 3600), ("workbook-new", 60)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").write_bytes(b"x")
        os.utime(tmp_path / name, times=(time.time() - age,) * 2)
    written([1])
    assert [each.name for each in tmp_path.iterdir()] == ["workbook-new"]


def test_json_lines_change_nothing() -> None:
    values = [NOON, 2**60, 1.5, float("nan"), True, dt.timedelta(seconds=90.5), None, "=1\n\u202ex\ud800", {"a": [1]}]
    (line,) = b"".join(piece for piece, _ in json_pieces(source(values), RowIds())).splitlines()
    assert json.loads(line) == {
        "c0": "2026-01-31T12:00:05.123456Z",
        "c1": 2**60,
        "c2": 1.5,
        "c3": "nan",
        "c4": True,
        "c5": 90.5,
        "c6": None,
        "c7": "=1\n\u202ex\ud800",
        "c8": {"a": [1]},
    }


def ask(browser: Client, address: str, **asked: str) -> bytes:
    answer = browser.get(address, asked)
    assert answer.status_code == 200
    return pages.streamed(answer)


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in data.splitlines())


def test_sessions_and_logins_come_in_every_format(as_user: AsUser, auditor: User, alice: User) -> None:
    session = make_session(alice, Status.AVAILABLE)
    browser = as_user(auditor)
    (line,) = _lines(ask(browser, "/sessions/", format="jsonl"))
    assert line["number"] == session.pk
    assert line["user"] == "alice"
    (sheet,) = sheets(ask(browser, "/sessions/", format="xlsx"))
    csv_heading = ask(browser, "/sessions/", csv="1").decode().splitlines()[0].split(",")
    assert list(sheet[0]) == csv_heading
    assert sheet[1][csv_heading.index("Number")] == session.pk
    ids = LogEntry.objects.filter(verb=Verb.EXPORTED).values_list("details__format", "details__rows")
    assert sorted(ids) == [("csv", 1), ("jsonl", 1), ("xlsx", 1)]
    (login,) = LoginSession.objects.all()
    (line,) = _lines(ask(browser, "/logins/", format="jsonl"))
    assert line["user"] == login.user_name
    (sheet,) = sheets(ask(browser, "/logins/", format="xlsx"))
    assert isinstance(sheet[1][sheet[0].index("Logged in")], dt.datetime)


def test_an_unknown_format_is_refused_and_says_which_there_are(as_user: AsUser, auditor: User) -> None:
    answer = as_user(auditor).get("/activity/", {"format": "pdf"})
    assert answer.status_code == 400
    assert "csv, jsonl, xlsx" in answer.content.decode()


def test_others_get_their_own_rows_only_in_every_format(as_user: AsUser, alice: User, outsider: User) -> None:
    make_entry("of alice", actor=alice, user=alice)
    make_entry("of the outsider", actor=outsider, user=outsider)
    browser = as_user(alice)
    assert b"of the outsider" not in (lines := ask(browser, "/activity/", format="jsonl"))
    assert b"of alice" in lines
    (sheet,) = sheets(ask(browser, "/activity/", format="xlsx"))
    assert not [row for row in sheet if "of the outsider" in row]


def test_the_menu_offers_what_is_filtered_in_every_format(as_user: AsUser, auditor: User) -> None:
    make_entry("backup")
    page = pages.elements(as_user(auditor).get("/activity/", {"activity": "backup"}))
    offered = [pages.attribute(each, "href") for each in page.findall(".//details[@id='download-menu']//a")]
    assert len(offered) == 5
    assert all("activity=backup" in address for address in offered)
    for address in offered:
        assert as_user(auditor).get(address).status_code == 200
