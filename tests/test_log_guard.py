"""Whoever weakens what keeps the log append-only is seen: by check, doctor and migrate, which puts it back."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from activity import guard, log
from activity.models import Level, LogEntry, PruneDoor
from activity.verbs import Verb
from sessions_app.health import checks
from tests.entries import ago, make_entry

BODY = "$$ BEGIN RETURN COALESCE(NEW, OLD); END $$"
# What was done, and what is said of it.
WEAKENED = {
    "sqlite": [
        ("DROP TRIGGER activity_log_no_update", "activity_log_no_update is missing"),
        ("DROP TRIGGER activity_log_no_delete", "activity_log_no_delete is missing"),
        ("DROP TRIGGER activity_log_no_replace", "activity_log_no_replace is missing"),
        ("DROP TRIGGER activity_log_numbers", "activity_log_numbers is missing"),
        ("DROP TRIGGER activity_log_prune", "activity_log_prune is missing"),
        (
            "DROP TRIGGER activity_log_no_update; CREATE TRIGGER activity_log_no_update BEFORE UPDATE ON "
            "activity_logentry BEGIN SELECT 1; END",
            "activity_log_no_update was replaced",
        ),
        (
            "DROP TRIGGER activity_log_prune; INSERT INTO activity_prunedoor (before, export) VALUES ('2999', '')",
            "stands open",
        ),
        ("ALTER TABLE activity_logentry RENAME TO elsewhere", "activity_logentry was renamed to elsewhere"),
        ("ALTER TABLE activity_prunedoor RENAME TO elsewhere", "activity_prunedoor was renamed to elsewhere"),
        ("DROP TABLE activity_prunedoor", "activity_prunedoor is not there"),
    ],
    "postgresql": [
        ("DROP TRIGGER activity_log_no_change ON activity_logentry", "activity_log_no_change is missing"),
        ("DROP TRIGGER activity_log_no_truncate ON activity_logentry", "activity_log_no_truncate is missing"),
        ("DROP TRIGGER activity_log_numbers ON activity_logentry", "activity_log_numbers is missing"),
        ("DROP TRIGGER activity_log_prune ON activity_prunedoor", "activity_log_prune is missing"),
        ("ALTER TABLE activity_logentry DISABLE TRIGGER activity_log_no_change", "activity_log_no_change is disabled"),
        ("ALTER TABLE activity_logentry DISABLE TRIGGER USER", "activity_log_no_truncate is disabled"),
        (
            "ALTER TABLE activity_logentry ENABLE REPLICA TRIGGER activity_log_no_change",
            "activity_log_no_change is disabled",
        ),
        (
            "CREATE OR REPLACE FUNCTION activity_log_refuse() RETURNS trigger LANGUAGE plpgsql AS " + BODY,
            "function activity_log_refuse of the trigger activity_log_no_change was replaced",
        ),
        (
            "DROP TRIGGER activity_log_no_change ON activity_logentry; CREATE TRIGGER activity_log_no_change "
            "BEFORE UPDATE ON activity_logentry FOR EACH ROW WHEN (new.id < 0) EXECUTE FUNCTION activity_log_refuse()",
            "activity_log_no_change was replaced",
        ),
        (
            "ALTER TABLE activity_prunedoor DISABLE TRIGGER activity_log_prune; "
            "INSERT INTO activity_prunedoor (before, export) VALUES ('2999-01-01', '')",
            "stands open",
        ),
        ("ALTER TABLE activity_logentry RENAME TO elsewhere", "activity_logentry was renamed to elsewhere"),
        ("ALTER TABLE activity_prunedoor RENAME TO elsewhere", "activity_prunedoor was renamed to elsewhere"),
        ("DROP TABLE activity_prunedoor", "activity_prunedoor is not there"),
    ],
}


def weaken(statements: str) -> None:
    """As somebody who owns the database does it."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            first, *rest = [statements] if statements.startswith("CREATE") else statements.split("; ", 1)
            for one in (first, *rest):
                cursor.execute(one)
        else:
            cursor.execute(statements)


def cases(vendor: str) -> list[object]:
    marks = {"sqlite": pytest.mark.sqlite_only, "postgresql": pytest.mark.postgres_only}
    return [pytest.param(*case, marks=marks[vendor]) for case in WEAKENED[vendor]]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("statements", "words"), cases("sqlite") + cases("postgresql"))
def test_what_was_weakened_is_an_error_of_check_and_doctor_and_is_mended_by_migrate(
    statements: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = make_entry("kept")
    assert guard.look() == []
    weaken(statements)
    with pytest.raises(SystemCheckError, match=words):
        call_command("check", stdout=io.StringIO(), stderr=io.StringIO())
    finding = checks.log_guard()
    assert finding.is_error
    assert words in finding.text
    with pytest.raises(CommandError, match="error"):
        call_command("doctor", "--skip-hosts", stdout=io.StringIO())
    call_command("migrate", verbosity=0)
    assert words in capsys.readouterr().err
    assert guard.look() == []
    assert not PruneDoor.objects.exists()
    told = LogEntry.objects.filter(verb=Verb.LOG_MENDED, level=Level.ERROR)
    assert any(words in entry.message for entry in told)
    for change in ("UPDATE activity_logentry SET message = 'x'", "DELETE FROM activity_logentry"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            weaken(change)
    assert LogEntry.objects.filter(pk=kept.pk).exists()
    call_command("migrate", verbosity=0)  # says and writes nothing more
    assert capsys.readouterr().err == ""
    assert LogEntry.objects.filter(verb=Verb.LOG_MENDED).count() == told.count()


@pytest.mark.django_db(transaction=True)
def test_a_trigger_of_somebody_else_is_an_error_and_is_left_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    if connection.vendor == "sqlite":
        weaken("CREATE TRIGGER hush BEFORE INSERT ON activity_logentry BEGIN SELECT RAISE(IGNORE); END")
        remove = "DROP TRIGGER hush"
    else:
        weaken("CREATE RULE hush AS ON INSERT TO activity_logentry DO INSTEAD NOTHING")
        remove = "DROP RULE hush ON activity_logentry"
    [problem] = guard.look()
    assert "hush is not ours" in problem.text
    assert remove in problem.remedy
    call_command("migrate", verbosity=0)
    assert "hush is not ours" in capsys.readouterr().err
    assert len(guard.look()) == 1
    weaken(remove)
    assert guard.look() == []


@pytest.mark.postgres_only
@pytest.mark.django_db
def test_a_database_that_runs_no_triggers_is_an_error() -> None:
    weaken("SET LOCAL session_replication_role = 'replica'")
    assert "session_replication_role" in guard.look()[0].text


@pytest.mark.django_db
def test_entries_with_numbers_below_one_are_an_error_that_nobody_mends() -> None:
    name = "activity_log_numbers"
    weaken(f"DROP TRIGGER {name}" + (" ON activity_logentry" if connection.vendor == "postgresql" else ""))
    LogEntry.objects.bulk_create([LogEntry(pk=-5, verb="x", message="hidden")])
    assert [one.text for one in guard.mend() if not one.can_be_mended] == [
        "1 entry has a number that the console never gives: 0 or less."
    ]
    assert len(guard.look()) == 1
    assert LogEntry.objects.filter(pk=-5).exists()


@pytest.mark.django_db
def test_entries_that_were_dated_back_are_an_error_with_their_numbers() -> None:
    make_entry("first")
    make_entry("a transaction that took some minutes", ago(minutes=30))
    late = make_entry("dated back", ago(days=3))
    make_entry("last")
    [problem] = guard.look()
    assert f"number {late.pk} ({late.at:%Y-%m-%d %H:%M:%S} UTC)" in problem.text
    assert problem.text.startswith("This entry bears a time before")
    assert not problem.can_be_mended


@pytest.mark.django_db
def test_entries_that_were_imported_are_none_nor_those_after_a_clock_was_put_back() -> None:
    make_entry("now")
    with log.importing("a test"):
        make_entry("long ago", ago(days=300))
        make_entry("less long ago", ago(days=200))
    assert guard.look() == []
    told = LogEntry.objects.get(verb=Verb.LOG_IMPORTED)
    assert told.details["last"] - told.details["first"] == 1
    make_entry("of a clock that was wrong", timezone.now() + dt.timedelta(hours=7))
    log.record(Verb.CLOCK_CHANGED, "The clock was put back")
    assert guard.look() == []


@pytest.mark.django_db
def test_a_database_that_was_never_migrated_has_no_problem() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'activity' AND name LIKE '0005%%'", [])
    weaken("DROP TABLE activity_prunedoor")
    assert guard.look() == []
