"""The leaf of an entry is made of what the database gives back, and is the same on SQLite and PostgreSQL."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from activity import append_only, log
from activity.models import Level, LogEntry
from activity.seal import rows
from activity.seal.rows import read_entries
from activity.verbs import Verb
from activity.verify_sessionadmin import ENTRY_FIELDS, canonical_json, entry_json, time_text
from tests.support.builders import make_user

NOON = dt.datetime(2026, 1, 31, 12, 0, 0, 120, tzinfo=dt.UTC)


def _leaf(entry: LogEntry) -> dict[str, Any]:
    [(number, data)] = read_entries(connection, entry.pk - 1, entry.pk)
    assert number == entry.pk
    value: dict[str, Any] = json.loads(data)
    assert canonical_json(value) == data
    return value


@pytest.mark.django_db
def test_a_leaf_holds_the_whole_row() -> None:
    alice = make_user("alice")
    with log.coming_from("2001:DB8::1", lambda: 7):
        entry = log.record(
            Verb.LOGIN,
            "Logged in — “ü”",
            actor=alice,
            target=alice,
            level=Level.WARNING,
            details={"b": 1, "a": [None]},
            at=NOON,
        )
    found = _leaf(entry)
    assert found == {
        "v": 1,
        "id": entry.pk,
        "at": "2026-01-31T12:00:00.000120Z",
        "actor_id": alice.pk,
        "actor_name": "alice",
        "user_id": alice.pk,
        "user_name": "alice",
        "verb": "login.succeeded",
        "level": 30,
        "outcome": "success",
        "message": "Logged in — “ü”",
        "target_type": "auth.user",
        "target_id": alice.pk,
        "target_name": "alice",
        "ip": "2001:db8::1",
        "login_id": 7,
        "details": {"b": 1, "a": [None]},
    }


@pytest.mark.django_db
def test_a_leaf_is_that_of_the_entry_as_an_object() -> None:
    entry = log.record(Verb.LOGIN, "Logged in", user_name="somebody", details={"text": "\x7f\u2028", "no": False})
    entry.refresh_from_db()
    fields = {str(field.column): getattr(entry, field.attname) for field in LogEntry._meta.concrete_fields}
    [(_, data)] = read_entries(connection, entry.pk - 1, entry.pk)
    assert entry_json(fields | {"at": time_text(entry.at)}) == data


# What each database makes of a number or a text differs: jsonb writes 1e16 as 10000000000000000 and -0.0 as 0.
DETAILS: list[tuple[Any, str]] = [
    ({}, "{}"),
    ({"n": 1.0}, '{"n":1}'),
    ({"n": -0.0}, '{"n":0}'),
    ({"n": 1e16}, '{"n":10000000000000000}'),
    ({"n": 1e300}, '{"n":1e+300}'),
    ({"n": 1.5e-9}, '{"n":1.5e-9}'),
    ({"n": 5e-324}, '{"n":5e-324}'),
    ({"n": 0.1}, '{"n":0.1}'),
    ({"n": 9007199254740993}, '{"n":"9007199254740993"}'),
    ({"n": 10**30 + 1}, '{"n":"1000000000000000000000000000001"}'),
    ({"bb": 1, "a": 2, "ä": 3, "": 4}, '{"":4,"a":2,"bb":1,"ä":3}'),
    ({"\ufb33": 1, "😀": 2}, '{"😀":2,"\ufb33":1}'),
    ({"t": '"\\\x08\x0c\n\r\t\x01/'}, r'{"t":"\"\\\b\f\n\r\t\u0001/"}'),
    ([1, "two", [True]], '[1,"two",[true]]'),
    ("text", '"text"'),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("details", "shown"), DETAILS)
def test_details_have_the_same_form_on_both_databases(details: Any, shown: str) -> None:
    entry = LogEntry.objects.create(verb="x", message="m", details=details)
    [(_, data)] = read_entries(connection, entry.pk - 1, entry.pk)
    assert f'"details":{shown},'.encode() in data


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["192.0.2.1", "::ffff:192.0.2.1", "::c000:201", "fe80::1", "2001:db8::1:0:0:1"])
def test_addresses_have_the_same_form_on_both_databases(address: str) -> None:
    with log.coming_from(address):
        entry = log.record(Verb.LOGIN, "Logged in")
    assert _leaf(entry)["ip"] == address


@pytest.mark.django_db
def test_entries_are_read_in_the_order_of_their_numbers_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activity.seal.rows.ROWS_AT_ONCE", 2)
    entries = [log.record(Verb.LOGIN, f"{number}", at=timezone.now()) for number in range(5)]
    first, last = entries[0].pk, entries[-1].pk
    assert [number for number, _ in read_entries(connection, first - 1, last)] == [one.pk for one in entries]
    assert [number for number, _ in read_entries(connection, first, last - 1)] == [one.pk for one in entries[1:-1]]
    assert list(read_entries(connection, last, last + 10)) == []


@pytest.mark.django_db
@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("at", "yesterday", '"at":"yesterday"'),
        ("at", "2026-01-31T12:00:00", '"at":"2026-01-31T12:00:00"'),
        ("at", "2026-01-31 12:00:00.1", '"at":"2026-01-31T12:00:00.100000Z"'),
        ("details", '{"a":1,"a":2}', r'"details":"{\"a\":1,\"a\":2}"'),
        ("details", '{"a": 1}', '"details":{"a":1}'),
        ("message", b"\xff\x00", '"message":{"bytes":"ff00"}'),
        ("level", 20, '"level":20'),
    ],
)
def test_what_the_console_never_writes_is_in_the_leaf_as_it_was_found(column: str, value: Any, shown: str) -> None:
    entry = log.record(Verb.LOGIN, "Logged in")
    append_only.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE activity_logentry SET {column} = %s WHERE id = %s", [value, entry.pk])  # noqa: S608
    [(_, data)] = read_entries(connection, entry.pk - 1, entry.pk)
    assert shown.encode() in data


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"actor_id": None, "ip": None, "login_id": None, "target_id": None, "user_id": None},
        {"message": 'quotes " and \\ and \x01\t\x7f\u2028 and \U0001f600', "actor_name": "Zo\u00eb"},
        {"details": '{"b": 1.0, "a": [1, null, true, "x"], "\U0001f600": 1, "\uffff": 2}'},
        {"details": '{"a": 1, "a": 2}'},
        {"details": "no JSON"},
        {"details": "[" * 100_000},
        {"at": "2026-11-29 10:00:00"},
        {"at": "yesterday"},
        {"ip": "2001:DB8::1"},
        {"target_id": 2**53},
        {"level": 20.0},
        {"level": True},
        {"message": b"bytes"},
        {"message": "half \ud800"},
    ],
)
def test_rows_of_usual_types_take_a_quicker_way_to_the_same_bytes(changed: dict[str, Any]) -> None:
    usual: dict[str, Any] = {
        "actor_id": 1,
        "actor_name": "alice",
        "at": "2026-11-29 10:00:00.000123",
        "details": '{"b": 1, "a": {"c": "d"}}',
        "id": 7,
        "ip": "203.0.113.9",
        "level": 20,
        "login_id": 4,
        "message": "said",
        "outcome": "success",
        "target_id": 5,
        "target_name": "web-1",
        "target_type": "sessions_app.resource",
        "user_id": 2,
        "user_name": "bob",
        "verb": "login.succeeded",
    }
    row = tuple({**usual, **changed}[field] for field in ENTRY_FIELDS)
    assert rows.as_json(row) == rows._carefully(row)
    assert changed or rows._quickly(row) is not None
