"""The database itself refuses to change or delete a log entry, whoever asks and however."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from activity.models import Level, LogEntry, PruneRequest
from activity.verbs import Verb
from tests.support.entries import ago, another_connection, make_entry

CHANGES = [
    "UPDATE activity_logentry SET message = 'changed'",
    "UPDATE activity_logentry SET at = at",
    "UPDATE activity_logentry SET id = id + 1000000",
    "DELETE FROM activity_logentry",
    "DELETE FROM activity_logentry WHERE message = 'kept'",
]
REPLACE = {
    "sqlite": "INSERT OR REPLACE INTO activity_logentry (id, at, verb, level, message, actor_name, user_name, "
    "target_type, target_name, details) VALUES ({id}, '2020-01-01', 'x', 20, 'changed', '', '', '', '', '{{}}')",
    "postgresql": "INSERT INTO activity_logentry (id, at, verb, level, message, actor_name, user_name, "
    "target_type, target_name, details) VALUES ({id}, '2020-01-01', 'x', 20, 'changed', '', '', '', '', '{{}}') "
    "ON CONFLICT (id) DO UPDATE SET message = excluded.message",
}


def _refused(statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db
@pytest.mark.parametrize("statement", CHANGES)
def test_a_cursor_cannot_change_or_delete_entries(statement: str) -> None:
    make_entry("kept", ago(days=400))
    _refused(statement)
    assert LogEntry.objects.filter(message="kept").exists()


@pytest.mark.django_db
def test_an_insert_cannot_replace_an_entry() -> None:
    entry = make_entry("kept")
    _refused(REPLACE[connection.vendor].format(id=entry.pk))
    entry.refresh_from_db()
    assert entry.message == "kept"


def _rename(entry: LogEntry) -> None:
    LogEntry.objects.filter(pk=entry.pk).update(message="changed")


def _rename_in_bulk(entry: LogEntry) -> None:
    entry.message = "changed"
    LogEntry.objects.bulk_update([entry], ["message"])


def _delete(entry: LogEntry) -> None:
    entry.delete()


@pytest.mark.django_db
@pytest.mark.parametrize("change", [_rename, _rename_in_bulk, _delete])
def test_the_orm_cannot_either(change: Callable[[LogEntry], None]) -> None:
    entry = make_entry("kept")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(LogEntry.objects.get(pk=entry.pk))
    entry.refresh_from_db()
    assert entry.message == "kept"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statement", CHANGES)
def test_another_program_on_the_database_is_refused(statement: str) -> None:
    make_entry("kept")
    other = another_connection()
    try:
        with pytest.raises(Exception, match="append-only"):
            other.execute(statement)
    finally:
        other.close()
    assert LogEntry.objects.filter(message="kept").count() == 1


@pytest.mark.django_db(transaction=True)
def test_truncating_and_flushing_are_refused() -> None:
    make_entry("kept")
    if connection.vendor == "postgresql":
        _refused("TRUNCATE activity_logentry")
        _refused("TRUNCATE activity_logentry, auth_user CASCADE")
    with pytest.raises(Exception, match=r"append-only|couldn't be flushed"):
        call_command("flush", "--noinput", verbosity=0)
    assert LogEntry.objects.filter(message="kept").count() == 1


@pytest.mark.django_db
def test_a_request_deletes_what_is_older_says_so_in_the_log_and_is_gone_at_once() -> None:
    make_entry("old", ago(days=40))
    make_entry("new", ago(days=20))
    PruneRequest.objects.create(before=ago(days=30), export="old.csv")
    assert not PruneRequest.objects.exists()
    assert not LogEntry.objects.filter(message="old").exists()
    assert LogEntry.objects.filter(message="new").exists()
    entry = LogEntry.objects.get(verb=Verb.LOG_PRUNED)
    assert (entry.details["rows"], entry.details["export"], entry.level) == (1, "old.csv", Level.WARNING)
    assert entry.message.startswith("Deleted 1 log entries older than")
    assert abs(entry.at - timezone.now()) < dt.timedelta(minutes=5)
    make_entry("old again", ago(days=40))
    _refused("DELETE FROM activity_logentry WHERE message = 'old again'")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", ["'9999-12-31'", "'2999-01-01 00:00:00'", "CURRENT_TIMESTAMP"])
def test_a_request_for_the_last_24_hours_is_refused_with_all_that_came_before(before: str) -> None:
    make_entry("kept")
    make_entry("kept too", ago(days=400))
    other = another_connection()
    try:
        with pytest.raises(Exception, match="last 24 hours always stay"):
            other.execute(f"INSERT INTO activity_prunerequest (before, export) VALUES ({before}, '')")  # noqa: S608
    finally:
        other.close()
    assert LogEntry.objects.count() == 2
    assert not PruneRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_request_by_another_program_leaves_a_trace_that_stays() -> None:
    make_entry("old", ago(days=40))
    other = another_connection()
    try:
        for _ in range(2):
            other.execute(
                "INSERT INTO activity_prunerequest (before, export) VALUES ('2030-01-01', '')".replace(
                    "2030-01-01", f"{ago(days=2):%Y-%m-%d %H:%M:%S}"
                )
            )
        with pytest.raises(Exception, match="append-only"):
            other.execute("DELETE FROM activity_logentry")
    finally:
        other.close()
    assert [entry.details["rows"] for entry in LogEntry.objects.order_by("pk")] == [1, 0]


OLD = "DELETE FROM activity_logentry WHERE message = 'old'"
REQUEST = "INSERT INTO activity_prunerequest (before, export) VALUES ('{}', '')"
JOINED_REQUEST = f"WITH request AS ({REQUEST} RETURNING 1)"
# How somebody who may read and write all tables, but not drop triggers, tries to delete without being counted.
JOINED = [
    pytest.param(
        [f"{JOINED_REQUEST} {OLD.replace('WHERE', 'USING request WHERE')}"],
        marks=pytest.mark.postgres_only,
        id="one statement",
    ),
    pytest.param(
        [
            "CREATE TEMPORARY TABLE mine (id integer)",
            f"CREATE FUNCTION pg_temp.erase() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {OLD}; RETURN NULL; END $$",
            "CREATE TRIGGER erase AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pg_temp.erase()",
            f"{JOINED_REQUEST} INSERT INTO mine SELECT * FROM request",  # noqa: S608 - constants
        ],
        marks=pytest.mark.postgres_only,
        id="trigger on a table of their own",
    ),
    pytest.param(
        [
            f"CREATE TEMPORARY TRIGGER erase AFTER INSERT ON main.activity_prunerequest BEGIN {OLD}; END",
            REQUEST,
        ],
        marks=pytest.mark.sqlite_only,
        id="temporary trigger",
    ),
    pytest.param([REQUEST, OLD], id="two statements"),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statements", JOINED)
def test_whoever_joins_a_deletion_to_a_request_is_counted_all_the_same(statements: list[str]) -> None:
    make_entry("old", ago(days=40))
    make_entry("new", ago(days=20))
    other = another_connection()
    try:
        for statement in statements:
            other.execute(statement.format(f"{ago(days=30):%Y-%m-%d %H:%M:%S}"))
        with pytest.raises(Exception, match="append-only"):
            other.execute(f"DELETE FROM activity_logentry WHERE verb = '{Verb.LOG_PRUNED.value}'")  # noqa: S608
    finally:
        other.close()
    trace = LogEntry.objects.get(verb=Verb.LOG_PRUNED)
    assert trace.details["rows"] == 1
    assert trace.details["oldest"].startswith(f"{ago(days=40):%Y-%m-%d}T")
    assert trace.details["database_user"] == (connection.settings_dict["USER"] if connection.vendor != "sqlite" else "")
    assert not LogEntry.objects.filter(message="old").exists()
    assert LogEntry.objects.filter(message="new").exists()


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("columns", "values"),
    [("before, export", "'{}', NULL"), ("before", "'{}'"), ("before, export", "NULL, ''"), ("export", "''")],
)
@pytest.mark.parametrize("word", ["INSERT", "INSERT OR IGNORE", "INSERT OR FAIL", "INSERT OR REPLACE"])
def test_a_request_that_the_database_leaves_out_leaves_no_trace_of_a_deletion(
    word: str, columns: str, values: str
) -> None:
    make_entry("old", ago(days=40))
    other = another_connection()
    try:
        given = values.format(f"{ago(days=30):%Y-%m-%d %H:%M:%S}")
        with pytest.raises(Exception, match="Nothing was deleted"):
            other.execute(f"{word} INTO activity_prunerequest ({columns}) VALUES ({given})")
    finally:
        other.close()
    assert [entry.message for entry in LogEntry.objects.all()] == ["old"]
    assert not PruneRequest.objects.exists()


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_who_suppresses_the_trace_deletes_nothing() -> None:
    make_entry("old", ago(days=40))
    other = another_connection()
    try:
        other.execute(
            "CREATE TEMPORARY TRIGGER hush BEFORE INSERT ON main.activity_logentry BEGIN SELECT RAISE(IGNORE); END"
        )
        for word in ("INSERT", "INSERT OR IGNORE", "INSERT OR REPLACE"):
            with pytest.raises(Exception, match="could not be written into the activity log"):
                other.execute(REQUEST.replace("INSERT", word).format(f"{ago(days=30):%Y-%m-%d %H:%M:%S}"))
    finally:
        other.close()
    assert LogEntry.objects.filter(message="old").exists()
    assert not PruneRequest.objects.exists()


@pytest.mark.django_db
def test_an_entry_that_says_what_was_deleted_stays_for_ever() -> None:
    trace = make_entry("of a year ago", ago(days=365), verb=Verb.LOG_PRUNED)
    PruneRequest.objects.create(before=ago(days=30), export="")
    assert LogEntry.objects.filter(pk=trace.pk).exists()
    assert LogEntry.objects.latest("pk").details["rows"] == 0
    assert LogEntry.objects.latest("pk").details["oldest"] == ""


@pytest.mark.django_db(transaction=True)
def test_a_temporary_table_with_the_name_of_that_of_requests_allows_nothing() -> None:
    make_entry("kept", ago(days=40))
    other = another_connection()
    try:
        other.execute("CREATE TEMPORARY TABLE activity_prunerequest (id integer, before timestamp with time zone)")
        other.execute("INSERT INTO activity_prunerequest VALUES (1, '2999-01-01 00:00:00')")
        with pytest.raises(Exception, match="append-only"):
            other.execute("DELETE FROM activity_logentry")
    finally:
        other.close()
    assert LogEntry.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("number", [0, -1, -5])
def test_no_entry_has_a_number_below_one(number: int) -> None:
    with pytest.raises(DatabaseError, match="begin at 1"), transaction.atomic():
        LogEntry.objects.bulk_create([LogEntry(pk=number, verb="x", message="hidden")])


@pytest.mark.django_db
def test_new_entries_are_still_welcome() -> None:
    first, second = make_entry("one"), make_entry("two")
    assert second.pk > first.pk
    LogEntry.objects.bulk_create([LogEntry(verb="x", message="three"), LogEntry(verb="x", message="four")])
    assert LogEntry.objects.filter(message__in=["one", "two", "three", "four"]).count() == 4
