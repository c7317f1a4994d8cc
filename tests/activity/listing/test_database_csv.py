"""What the database writes into a download is what Python writes, whatever somebody managed to put into a row."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import QuerySet
from django.test import Client

from activity.listing import Column
from activity.listing.csv import neutral, written_here
from activity.listing.csv_expressions import _marked_postgresql, _marked_sqlite
from activity.listing.database_csv import FORMULA_FORMS, Sheet
from activity.models import Level, LogEntry, PastName
from activity.tables import COLUMNS
from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy
from sessions_app.pages.catalogue.tables import PROFILES, profiles_queryset
from sessions_app.pages.people.tables import groups_queryset, groups_table
from sessions_app.privileged.models import Status
from sessions_app.privileged.session_log import LOG_TABLE, with_line_numbers
from sessions_app.privileged.tables import sessions_queryset, sessions_table
from tests.support import builders, pages
from tests.support.entries import UNSEEN_BEFORE, make_entry

pytestmark = pytest.mark.django_db
AsUser = Callable[[User], Client]

HOSTILE = [
    *(f"{start}cmd|' /C calc'!A0" for start in "=+-@\t\r\n \uff1d\uff0b\uff0d\uff20\u00a0\u3000\u00ad\u200b\ufeff"),
    *("\x01=1", "\x01\x01=1", "\x01\t=1", "\x1b=1", "\x1b[31mred", "\u202e=1", "\u200e", "\x85=1", "\x9fx", "\u2028=1"),
    *("a\nb", "a\r\nb, c", "\n", "\r", "a\n", " ", "  a  ", "a ", "a,", "a ,b", 'a "', '"', '""', '",', 'say "x", =y'),
    *("a\u00a0", "a\u3000", "a\u00a0b", "a\u200f", "a\u200fb", "a\x7fb", "a\tb", "a\x9bc", "x\u2066y"),
    *(
        "",
        "0",
        "-5",
        "1e5",
        "[x]",
        "{x",
        "{}",
        "^x",
        "]x",
        "\\x",
        "\\.",
        "'=x",
        "%w %s",
        "100 %",
        "a;b",
        "|x",
        "~x",
        "_x",
    ),
    *(f"{start}=x" for start in UNSEEN_BEFORE),
    *(f"a{middle}b" for middle in UNSEEN_BEFORE),
    *(f"{start}x" for start in FORMULA_FORMS),
    *(
        '"=x',
        '"',
        ' "=x',
        "\uff02=x",
        "=\u0338",
        "a\u200d",
        "\u0645\u200c\u062e",
        "\u0645\u200c",
        "\u200c\u0645",
        "👩\u200d💻",
    ),
    *("Zürich, 8000", "é", "Øst", "Борис, Ж", "日本語", "日本語\u3000", "ｆｕｌｌ", "😀", "😀=", "É\u00ad", "a\ufeff"),
]


def parsed(pieces: Iterable[tuple[bytes, int]]) -> list[list[str]]:
    """Return the cells of each row. Check that there are as many rows as the pieces say, and that CR LF ends each."""
    found = list(pieces)
    text = b"".join(piece for piece, _ in found).decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert sum(count for _, count in found) == len(rows) == text.count("\r\n")
    return rows


def assert_alike(rows: QuerySet[Any], columns: Sequence[Column]) -> list[list[str]]:
    """Check that both ways write the same cells, and return them. Only the order of keys in JSON may differ."""
    expressions = [column.expression for column in columns]
    assert Sheet.is_possible(rows, expressions)
    by_database = parsed(Sheet(rows, expressions, neutral).pieces())
    by_python = parsed(written_here(rows, columns))
    assert len(by_database) == len(by_python) > 0
    for ours, theirs in zip(by_database, by_python, strict=True):
        for column, mine, other in zip(columns, ours, theirs, strict=True):
            if column.key == "details" and mine:
                assert json.loads(mine) == json.loads(other)
            else:
                assert mine == other, (column.key, mine, other)
    return by_database


def storable(text: str) -> bool:
    return "\x00" not in text or connection.vendor == "sqlite"


def test_every_cell_of_the_log_is_what_python_writes() -> None:
    for text in filter(storable, [*HOSTILE, "\x00", "\x00=x", "a\x00b", "=\x00x"]):
        make_entry(text or "x", user_name=text, actor_name=text, target_name=text, target_type=text[:60])
        make_entry("plain", target_name=f"{text} and more", details={text or "x": text, "n": [1, None, 1.5, True]})
    make_entry("with a verb of an older version", verb="=old.verb")
    make_entry("with an address", ip="2001:db8::1", level=Level.ERROR, target_id=-5, verb=Verb.LOGIN_FAILED)
    cells = assert_alike(LogEntry.objects.order_by("pk"), COLUMNS)
    assert not [cell for row in cells for cell in row if cell.startswith(("=", "+", "@", "\t", "\r", "\uff1d"))]


def test_every_cell_of_sessions_is_what_python_writes(auditor: User) -> None:
    asker, policy = builders.make_user("=asker"), builders.make_policy()
    PastName.objects.create(user=asker, name="asker")  # else no row is asked for the name of now
    AccessPolicy.objects.filter(pk=policy.pk).update(name="@policy, of ours")
    start = dt.datetime(2026, 1, 31, 12, 0, 0, 500_000, dt.UTC)
    for number, text in enumerate(filter(storable, HOSTILE)):
        builders.make_session(
            asker,
            Status.COMPLETE,
            policy_id=policy.pk if number % 2 else None,
            user_name=text or "x",
            resource_name=f"{text}host",
            notes=text,
            ticket_number=text[:80],
            end_reason=f"ended, {text}",
            start_at=start if number % 3 else None,
            duration=dt.timedelta(seconds=number, microseconds=500_000) if number % 3 else None,
        )
    for status in (Status.PENDING, Status.WAITING, Status.LOCKED):
        builders.make_session(asker, status)
    rows = sessions_queryset(auditor).order_by("pk")
    cells = assert_alike(rows, sessions_table(auditor, with_history=True).columns)
    assert {row[-6] for row in cells} == {"'=asker"}
    assert {row[-5] for row in cells} == {"'@policy, of ours", ""}


def test_every_cell_of_groups_is_what_python_writes(alice: User) -> None:
    for number, text in enumerate(filter(storable, HOSTILE)):
        group, _ = Group.objects.get_or_create(name=text[:150] or "x")
        if number % 2:
            alice.groups.add(group)
    builders.make_session(alice, Status.PENDING)
    assert_alike(groups_queryset().order_by("pk"), groups_table().columns)


def test_every_cell_of_profiles_is_what_python_writes(admin: User) -> None:
    builders.make_policy()
    for number, text in enumerate(filter(storable, HOSTILE)):
        builders.make_profile(
            name=f"{text[:60]}{number}",
            maximum_duration=dt.timedelta(seconds=number + 1, microseconds=500_000 * (number % 2)),
            extension_by=dt.timedelta(minutes=number),
            notes_required=bool(number % 2),
        )
    assert_alike(profiles_queryset(admin).order_by("pk"), PROFILES.columns)


def test_every_cell_of_the_log_of_a_session_is_what_python_writes(alice: User) -> None:
    session = builders.make_session(alice)
    for number, text in enumerate(filter(storable, HOSTILE)):
        level = list(Level)[number % len(Level)]
        make_entry(
            text or "x", actor_name=text, level=level, target_type=session._meta.label_lower, target_id=session.pk
        )
    assert_alike(with_line_numbers(session).order_by("pk"), LOG_TABLE.columns)


@pytest.mark.parametrize("renamed", [False, True])
def test_the_names_of_now_are_what_python_writes(alice: User, outsider: User, renamed: bool) -> None:
    for user in (alice, outsider, None):
        make_entry("done", actor=user, user=user)
    if renamed:
        alice.username = "=alina"
        alice.save()
    cells = assert_alike(LogEntry.objects.filter(message="done").order_by("pk"), COLUMNS)
    assert [row[-3:-1] for row in cells] == [["'=alina"] * 2 if renamed else ["", ""], ["", ""], ["", ""]]


def test_hostile_rows_leave_their_neighbours_alone() -> None:
    LogEntry.objects.bulk_create(
        LogEntry(verb=Verb.LOGIN, message="=1" if number % 700 == 0 else f"row {number}, of many")
        for number in range(1500)
    )
    cells = assert_alike(LogEntry.objects.order_by("pk"), COLUMNS)
    messages = [row[7] for row in cells][-1500:]
    assert messages[699:702] == ["row 699, of many", "'=1", "row 701, of many"]


def test_what_ends_a_line_or_a_cell_inside_a_text_parts_no_rows() -> None:
    """Some of them in pieces of their own: one that holds the end of a line is read in another way."""
    texts = ["one\rtwo", "one\r", "one\x0btwo", "end ", "a\u2028b", "one\ntwo", "one\n", "\n"]
    LogEntry.objects.bulk_create(
        LogEntry(verb=Verb.LOGIN, message=texts[number // 5 % 5 + number // 700 * 3] if number % 5 == 0 else '"x" ,"y"')
        for number in range(1400)
    )
    messages = [row[7] for row in assert_alike(LogEntry.objects.order_by("pk"), COLUMNS)][-1400:]
    assert messages[:6] == ["one two", *['"x" ,"y"'] * 4, "one"]


def test_times_are_written_as_python_writes_them() -> None:
    for moment in ("2026-01-31T12:00:05+00:00", "2026-01-31T12:00:05.1+00:00", "2026-12-31T23:59:59.999999+00:00"):
        make_entry("x", at=dt.datetime.fromisoformat(moment))
    assert_alike(LogEntry.objects.order_by("pk"), COLUMNS)


def test_neighbours_are_joined_so_that_the_rows_stay_in_their_order() -> None:
    """By an inner join SQLite may begin with all neighbours, and sort all rows."""
    sheet = Sheet(AccessPolicy.objects.order_by("pk"), ["name", "profile__name"], neutral)
    assert "LEFT OUTER JOIN" in sheet.sql
    assert "INNER JOIN" not in sheet.sql


@pytest.mark.parametrize("write", [_marked_sqlite, _marked_postgresql])
def test_a_cell_that_is_made_of_parameters_gets_each_as_often_as_it_is_named(write: Callable[..., Any]) -> None:
    sql, parameters = write("COALESCE(x, %s)", ("none",))
    assert sql.count("%s") == len(parameters)


@pytest.mark.django_db(transaction=True)  # closing an answer closes the connection, as on a server
def test_a_download_that_is_broken_off_stops_its_query(as_user: AsUser, auditor: User) -> None:
    LogEntry.objects.bulk_create(LogEntry(verb=Verb.LOGIN, message="row " * 200) for _ in range(20_000))
    answer = as_user(auditor).get("/activity/", {"csv": "1", "activity": "row"})
    pieces = pages.pieces(answer)
    next(pieces)
    next(pieces)
    assert is_reading()
    answer.close()
    assert not is_reading()
    assert LogEntry.objects.get(verb=Verb.EXPORTED).details["rows"] == 500


def is_reading() -> bool:
    """Return whether anybody reads the database: PostgreSQL lists queries; SQLite cuts its journal if nobody reads."""
    if connection.vendor == "postgresql":
        with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
            found = other.execute("SELECT COUNT(*) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE 'COPY%'")
            return found.fetchone() != (0,)
    with contextlib.closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        return bool(other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
