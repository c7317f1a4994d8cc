"""The activity log: record() writes it, the database refuses to change it."""

import importlib
import re

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.transaction import TransactionManagementError

from activity import append_only, appending, log
from activity.integrity import find_problems
from activity.models import Level, LogEntry, Outcome
from activity.verbs import Verb
from tests.support.programs import ROOT

BY_MIGRATIONS = {"LOG_UPGRADED"}
migration = importlib.import_module("activity.migrations.0007_outcome")


def test_an_entry_keeps_names_and_loses_control_characters(alice: User) -> None:
    with log.coming_from("203.0.113.9"):
        entry = log.record(Verb.LOGIN, "hello\x1b[31m\nworld\u202e", actor=alice)
    entry.refresh_from_db()
    assert entry.message == "hello [31m world"
    assert (entry.actor_name, entry.user_name, entry.ip) == ("alice", "alice", "203.0.113.9")


@pytest.mark.parametrize("statement", ["UPDATE activity_logentry SET message = 'x'", "DELETE FROM activity_logentry"])
def test_the_database_refuses_to_change_an_entry(alice: User, statement: str) -> None:
    log.record(Verb.LOGIN, "one", actor=alice)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert LogEntry.objects.filter(message="one").exists()


def test_an_entry_is_not_saved_twice(alice: User) -> None:
    entry = log.record(Verb.LOGIN, "one", actor=alice)
    with pytest.raises(TypeError, match="append-only"):
        entry.save()


def test_an_entry_is_read_as_it_was_written(alice: User, auditor: User) -> None:
    with log.coming_from("2001:db8::9"):
        entry = log.record(
            Verb.ACCOUNT_LOCKED,
            "Zürich, 50 % off; 'quoted'",
            actor=alice,
            user=auditor,
            target=auditor,
            level=Level.WARNING,
            details={"n": [1, None, {"ж": "日本"}]},
        )
    stored = LogEntry.objects.get(pk=entry.pk)
    assert {field.attname: getattr(stored, field.attname) for field in LogEntry._meta.concrete_fields} == {
        field.attname: getattr(entry, field.attname) for field in LogEntry._meta.concrete_fields
    }


@pytest.mark.parametrize(
    ("verb", "given", "stored"),
    [
        (Verb.LOGIN, None, Outcome.SUCCESS),
        (Verb.LOGIN_FAILED, None, Outcome.FAILURE),
        (Verb.CONNECTION_REFUSED, None, Outcome.DENIED),
        (Verb.LOGIN_FAILED, Outcome.DENIED, Outcome.DENIED),
        (Verb.EXPORTED, Outcome.FAILURE, Outcome.FAILURE),
    ],
)
def test_the_outcome_is_what_the_verb_says_where_nobody_says_another(
    verb: Verb, given: Outcome | None, stored: Outcome, alice: User
) -> None:
    entry = log.record(verb, "one", actor=alice, outcome=given)
    entry.refresh_from_db()
    assert entry.outcome == stored


def test_the_migration_gives_earlier_failures_and_refusals_their_outcome_and_says_so(alice: User) -> None:
    earlier = [
        LogEntry.objects.create(verb=verb, message="one", user=alice)  # as the database fills the new column
        for verb in (Verb.LOGIN, Verb.LOGIN_FAILED, Verb.CONNECTION_REFUSED)
    ]
    migration.correct(apps, connection.SchemaEditorClass(connection))
    found = LogEntry.objects.filter(pk__in=[entry.pk for entry in earlier]).order_by("pk")
    assert [entry.outcome for entry in found] == [Outcome.SUCCESS, Outcome.FAILURE, Outcome.DENIED]
    said = LogEntry.objects.get(verb=Verb.LOG_UPGRADED)
    assert said.details["outcomes"] == {"failure": 1, "denied": 1}
    assert "1 earlier ones became Failure and 1 Denied" in said.message
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        LogEntry.objects.filter(pk=said.pk).update(message="x")
    assert find_problems() == []


@pytest.mark.django_db(transaction=True)
def test_the_migration_runs_on_a_log_that_has_earlier_failures() -> None:
    LogEntry.objects.create(verb=Verb.LOGIN_FAILED, message="one")
    append_only.remove(connection)  # on SQLite they name the column
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX log_refused")
        cursor.execute("ALTER TABLE activity_logentry DROP COLUMN outcome")
    before = MigrationLoader(connection).project_state(("activity", "0006_sealed_log"))
    with connection.schema_editor() as editor:
        migration.Migration("0007_outcome", "activity").apply(before, editor)
    append_only.renew(connection)
    assert LogEntry.objects.get(message="one").outcome == Outcome.FAILURE
    assert LogEntry.objects.filter(verb="log.upgraded").exists()


def test_a_migration_that_drops_the_triggers_brings_those_back_that_were_there(alice: User) -> None:
    log.record(Verb.LOGIN_FAILED, "one", user=alice)
    with connection.cursor() as cursor:  # as an earlier version made one of them
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER activity_log_no_update")
            cursor.execute(
                "CREATE TRIGGER activity_log_no_update BEFORE UPDATE ON activity_logentry "
                "BEGIN SELECT RAISE(ABORT, 'as it was'); END"
            )
        else:
            cursor.execute("DROP TRIGGER activity_log_no_change ON activity_logentry")
            cursor.execute(
                "CREATE FUNCTION refuse_as_it_was() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'as it was'; END $$"
            )
            cursor.execute(
                "CREATE TRIGGER activity_log_no_change BEFORE UPDATE OR DELETE ON activity_logentry "
                "FOR EACH ROW EXECUTE FUNCTION refuse_as_it_was()"
            )
    migration.correct(apps, connection.SchemaEditorClass(connection))
    with pytest.raises(DatabaseError, match="as it was"), transaction.atomic():
        LogEntry.objects.update(message="x")


def test_an_entry_that_cannot_be_written_undoes_what_it_is_about(alice: User) -> None:
    entry = log.draft(Verb.LOGIN, "one", actor=alice)
    entry.level = 15
    with transaction.atomic():
        with pytest.raises(IntegrityError):
            appending.append(entry)
        with pytest.raises(TransactionManagementError):
            alice.save()
        transaction.set_rollback(True)
    assert not LogEntry.objects.filter(message="one").exists()
    assert entry.pk is None


@pytest.mark.sqlite_only
def test_an_entry_has_its_number_where_sqlite_returns_none(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    appending._statement.cache_clear()
    monkeypatch.setattr(connection.features, "can_return_columns_from_insert", False)
    try:
        entry = log.record(Verb.LOGIN, "one", actor=alice)
    finally:
        appending._statement.cache_clear()
    assert LogEntry.objects.get(message="one").pk == entry.pk


def test_every_verb_is_written_somewhere() -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for app in ("activity", "sessions_app", "sessionadmin")
        for path in (ROOT / app).rglob("*.py")
        if "sample" not in path.parts
    ]
    named = set(re.findall(r"\bVerb\.([A-Z_]+)", "\n".join(texts)))
    assert set(Verb.__members__) - named - BY_MIGRATIONS == set()
