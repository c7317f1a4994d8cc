"""If somebody weakens the protection of the log, check, doctor and migrate report it, and migrate restores it."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from activity import append_only, integrity, integrity_rows, log
from activity.models import Level, LogEntry, PruneRequest
from activity.verbs import Verb
from sessions_app.worker.health import checks
from tests.support.entries import ago, make_entry

BODY = "$$ BEGIN RETURN COALESCE(NEW, OLD); END $$"
# What was done, and what is said of it.
WEAKENED = {
    "sqlite": [
        ("DROP TRIGGER activity_log_no_update", "activity_log_no_update is missing"),
        ("DROP TRIGGER activity_log_no_delete", "activity_log_no_delete is missing"),
        ("DROP TRIGGER activity_log_no_replace", "activity_log_no_replace is missing"),
        ("DROP TRIGGER activity_log_numbers", "activity_log_numbers is missing"),
        ("DROP TRIGGER activity_log_prune", "activity_log_prune is missing"),
        ("DROP TRIGGER activity_log_prune_trace", "activity_log_prune_trace is missing"),
        (
            "DROP TRIGGER activity_log_no_update; CREATE TRIGGER activity_log_no_update BEFORE UPDATE ON "
            "activity_logentry BEGIN SELECT 1; END",
            "activity_log_no_update was replaced",
        ),
        (
            "DROP TRIGGER activity_log_prune; "
            "INSERT INTO activity_prunerequest (before, export) VALUES ('2000-01-01', '')",
            "entries can be deleted",
        ),
        ("ALTER TABLE activity_logentry RENAME TO elsewhere", "activity_logentry was renamed to elsewhere"),
        ("ALTER TABLE activity_prunerequest RENAME TO elsewhere", "activity_prunerequest was renamed to elsewhere"),
        ("DROP TABLE activity_prunerequest", "activity_prunerequest is not there"),
    ],
    "postgresql": [
        ("DROP TRIGGER activity_log_no_change ON activity_logentry", "activity_log_no_change is missing"),
        ("DROP TRIGGER activity_log_no_truncate ON activity_logentry", "activity_log_no_truncate is missing"),
        ("DROP TRIGGER activity_log_numbers ON activity_logentry", "activity_log_numbers is missing"),
        ("DROP TRIGGER activity_log_prune ON activity_prunerequest", "activity_log_prune is missing"),
        ("DROP TRIGGER activity_log_prune_trace ON activity_prunerequest", "activity_log_prune_trace is missing"),
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
            "ALTER TABLE activity_prunerequest DISABLE TRIGGER activity_log_prune; "
            "INSERT INTO activity_prunerequest (before, export) VALUES ('2000-01-01', '')",
            "entries can be deleted",
        ),
        ("ALTER TABLE activity_logentry RENAME TO elsewhere", "activity_logentry was renamed to elsewhere"),
        ("ALTER TABLE activity_prunerequest RENAME TO elsewhere", "activity_prunerequest was renamed to elsewhere"),
        ("DROP TABLE activity_prunerequest", "activity_prunerequest is not there"),
    ],
}


def weaken(statements: str) -> None:
    """Run statements as the owner of the database could."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            first, *rest = [statements] if statements.startswith("CREATE") else statements.split("; ", 1)
            for one in (first, *rest):
                cursor.execute(one)
        else:
            cursor.execute(statements)


@pytest.fixture
def mended_afterwards(transactional_db: None) -> Iterator[None]:
    """Mend the log even when the test fails: without its triggers every later test would fail too."""
    yield
    if integrity.find_problems():
        call_command("migrate", verbosity=0)


def cases(vendor: str) -> list[object]:
    marks = {"sqlite": pytest.mark.sqlite_only, "postgresql": pytest.mark.postgres_only}
    return [pytest.param(*case, marks=marks[vendor]) for case in WEAKENED[vendor]]


@pytest.mark.usefixtures("mended_afterwards")
@pytest.mark.parametrize(("statements", "words"), cases("sqlite") + cases("postgresql"))
def test_what_was_weakened_is_an_error_of_check_and_doctor_and_is_mended_by_migrate(
    statements: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = make_entry("kept")
    assert integrity.find_problems() == []
    weaken(statements)
    with pytest.raises(SystemCheckError, match=words):
        call_command("check", stdout=io.StringIO(), stderr=io.StringIO())
    finding = checks.log_integrity()
    assert finding.is_error
    assert words in finding.text
    with pytest.raises(CommandError, match="checks failed"):
        call_command("doctor", "--skip-hosts", stdout=io.StringIO())
    call_command("migrate", verbosity=0)
    assert words in capsys.readouterr().err
    assert integrity.find_problems() == []
    assert not PruneRequest.objects.exists()
    shown_text = LogEntry.objects.filter(verb=Verb.LOG_REPAIRED, level=Level.ERROR)
    assert any(words in entry.message for entry in shown_text)
    for change in ("UPDATE activity_logentry SET message = 'x'", "DELETE FROM activity_logentry"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            weaken(change)
    assert LogEntry.objects.filter(pk=stored.pk).exists()
    call_command("migrate", verbosity=0)  # says and writes nothing more
    assert capsys.readouterr().err == ""
    assert LogEntry.objects.filter(verb=Verb.LOG_REPAIRED).count() == shown_text.count()


@pytest.mark.django_db(transaction=True)
def test_a_trigger_of_somebody_else_is_an_error_and_is_left_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    if connection.vendor == "sqlite":
        weaken("CREATE TRIGGER hush BEFORE INSERT ON activity_logentry BEGIN SELECT RAISE(IGNORE); END")
        remove = "DROP TRIGGER hush"
    else:
        weaken("CREATE RULE hush AS ON INSERT TO activity_logentry DO INSTEAD NOTHING")
        remove = "DROP RULE hush ON activity_logentry"
    [problem] = integrity.find_problems()
    assert "hush is not ours" in problem.text
    assert remove in problem.remedy
    call_command("migrate", verbosity=0)
    assert "hush is not ours" in capsys.readouterr().err
    assert len(integrity.find_problems()) == 1
    weaken(remove)
    assert integrity.find_problems() == []


@pytest.mark.postgres_only
@pytest.mark.django_db
def test_a_database_that_runs_no_triggers_is_an_error() -> None:
    weaken("SET LOCAL session_replication_role = 'replica'")
    assert "session_replication_role" in integrity.find_problems()[0].text


@pytest.mark.django_db
def test_entries_with_numbers_below_one_are_an_error_that_nobody_mends() -> None:
    make_entry("first")
    name = "activity_log_numbers"
    weaken(f"DROP TRIGGER {name}" + (" ON activity_logentry" if connection.vendor == "postgresql" else ""))
    LogEntry.objects.bulk_create([LogEntry(pk=-5, verb="x", message="hidden")])
    assert [one.text for one in integrity.repair() if not one.is_repairable] == [
        "1 entry has a number that the console never gives: 0 or less."
    ]
    assert len(integrity.find_problems()) == 1
    assert LogEntry.objects.filter(pk=-5).exists()


@pytest.mark.django_db
def test_entries_that_were_dated_back_are_an_error_with_their_numbers() -> None:
    make_entry("first")
    make_entry("a transaction that took some minutes", ago(minutes=30))
    late = make_entry("dated back", ago(days=3))
    make_entry("last")
    [problem] = integrity.find_problems()
    assert f"number {late.pk} ({late.at:%Y-%m-%d %H:%M:%S} UTC)" in problem.text
    assert problem.text.startswith("This entry bears a time before")
    assert not problem.is_repairable


@pytest.mark.django_db
def test_entries_that_were_imported_are_none_nor_those_after_a_clock_was_put_back() -> None:
    make_entry("now")
    with log.importing("a test"):
        make_entry("long ago", ago(days=300))
        make_entry("less long ago", ago(days=200))
    assert integrity.find_problems() == []
    shown_text = LogEntry.objects.get(verb=Verb.LOG_IMPORTED)
    assert shown_text.details["last"] - shown_text.details["first"] == 1
    make_entry("of a clock that was wrong", timezone.now() + dt.timedelta(hours=7))
    log.record(Verb.CLOCK_CHANGED, "The clock was put back")
    assert integrity.find_problems() == []


@pytest.mark.django_db
def test_a_database_that_was_never_migrated_has_no_problem() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'activity' AND name LIKE '0011%%'", [])
    weaken("DROP TABLE activity_prunerequest")
    assert integrity.find_problems() == []


# --- rows and objects that were made to break the look, or to deceive it

VALUES = "(at, actor_name, user_name, verb, level, message, target_type, target_name, details) VALUES"


def insert(at: str, verb: str = "x", details: str = "{}") -> int:
    """Add a row as somebody does who knows SQL, with a time in the database's own words; return its number."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO activity_logentry {VALUES} ({at}, '', '', %s, 20, 'forged', '', '', %s)", [verb, details]
        )
        cursor.execute("SELECT MAX(id) FROM activity_logentry")
        return int(cursor.fetchone()[0])


def now_and_before() -> tuple[str, str]:
    if connection.vendor == "sqlite":
        return "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')", "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-5 days')"
    return "now()", "now() - interval '5 days'"


def said_everywhere(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Check, doctor, the page Health and migrate say it as an error, and none of them ends with a traceback."""
    with pytest.raises(SystemCheckError, match=re.escape(words)):
        call_command("check", stdout=io.StringIO(), stderr=io.StringIO())
    shown_text = io.StringIO()
    with pytest.raises(CommandError, match="checks failed"):
        call_command("doctor", "--skip-hosts", stdout=shown_text)
    assert words in shown_text.getvalue()
    finding = next(one for one in checks.run_quick_checks() if one.name == checks.LOG_INTEGRITY)
    assert finding.is_error
    assert words in finding.text
    assert finding.remedy
    capsys.readouterr()
    call_command("migrate", verbosity=0)
    assert words in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "at",
    [
        pytest.param("'-infinity'", marks=pytest.mark.postgres_only),
        pytest.param("'infinity'", marks=pytest.mark.postgres_only),
        pytest.param("'20000-01-01'", marks=pytest.mark.postgres_only),
        pytest.param("'garbage'", marks=pytest.mark.sqlite_only),
        pytest.param("12345", marks=pytest.mark.sqlite_only),
        pytest.param("'2026-13-45 00:00:00'", marks=pytest.mark.sqlite_only),
        pytest.param("'2026-02-31 00:00:00'", marks=pytest.mark.sqlite_only),
        pytest.param("x'00ff'", marks=pytest.mark.sqlite_only),
    ],
)
def test_times_that_no_clock_shows_are_an_error_with_their_number(at: str, capsys: pytest.CaptureFixture[str]) -> None:
    make_entry("first")
    pk = insert(at)
    make_entry("last")
    said_everywhere(f"This entry bears a time that the console never writes: number {pk} (", capsys)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "details",
    ['{"first": "x"}', "[]", "7", '"x"', '{"first": null, "last": null}', '{"first": 0, "last": 999999999}'],
)
def test_an_import_that_nobody_made_explains_nothing(details: str, capsys: pytest.CaptureFixture[str]) -> None:
    now, before = now_and_before()
    make_entry("first")
    pk = insert(before)
    insert(now, Verb.LOG_IMPORTED, details)
    said_everywhere(f"This entry bears a time before that of the entry written before it: number {pk} (", capsys)


@pytest.mark.django_db
def test_an_import_explains_only_the_rows_that_it_was_written_with() -> None:
    make_entry("long before", ago(hours=3))
    late = make_entry("dated back", ago(days=3))
    make_entry("two hours before", ago(hours=2))
    shown_text = {"first": late.pk, "last": late.pk}
    log.record(Verb.LOG_IMPORTED, "said two hours later", details=shown_text)
    assert f"number {late.pk} (" in integrity.find_problems()[0].text
    log.record(Verb.LOG_IMPORTED, "of rows to come", details={"first": late.pk, "last": late.pk + 1000})
    assert f"number {late.pk} (" in integrity.find_problems()[0].text


BACK = "ALTER TABLE activity_logentry RENAME TO activity_logentry_copy; ALTER TABLE hidden RENAME TO activity_logentry"
HIDDEN = "ALTER TABLE activity_logentry RENAME TO hidden; CREATE VIEW activity_logentry AS SELECT * FROM hidden"


@pytest.mark.django_db(transaction=True)
def test_a_view_in_place_of_the_log_is_said_and_taken_away(capsys: pytest.CaptureFixture[str]) -> None:
    stored = make_entry("kept")
    weaken(f"{HIDDEN} WHERE id < 0")
    said_everywhere("The table activity_logentry was renamed to hidden. A view stands in its place: ", capsys)
    assert integrity.find_problems() == []
    assert LogEntry.objects.filter(pk=stored.pk).exists()
    assert "WHERE" in LogEntry.objects.get(verb=Verb.LOG_REPAIRED).message.upper()


@pytest.mark.django_db(transaction=True)
def test_a_copy_in_place_of_the_log_is_not_guarded_and_the_true_log_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stored = make_entry("kept")
    copy = (
        "(LIKE hidden INCLUDING ALL)" if connection.vendor == "postgresql" else "AS SELECT * FROM hidden WHERE id < 0"
    )
    weaken(f"ALTER TABLE activity_logentry RENAME TO hidden; CREATE TABLE activity_logentry {copy}")
    try:
        said_everywhere("The table activity_logentry was renamed to hidden, and another table stands in", capsys)
        [problem] = integrity.find_problems()
        remedy = problem.remedy.partition("then ")[2].partition("; and run")[0]
    finally:
        weaken(BACK)
        weaken("DROP TABLE activity_logentry_copy")
        call_command("migrate", verbosity=0)
    assert remedy == BACK
    assert LogEntry.objects.filter(pk=stored.pk).exists()
    assert integrity.find_problems() == []


@pytest.mark.django_db(transaction=True)
def test_a_table_beside_the_log_that_looks_like_it_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    make_entry("kept")
    weaken("CREATE TABLE aside AS SELECT * FROM activity_logentry")
    try:
        said_everywhere("aside looks like the activity log and holds entries", capsys)
        weaken("DELETE FROM aside")
        assert integrity.find_problems() == []
    finally:
        weaken("DROP TABLE aside")


@pytest.mark.django_db(transaction=True)
def test_a_log_that_is_empty_or_lost_its_newest_entries_is_an_error(
    capsys: pytest.CaptureFixture[str], alice: User
) -> None:
    User.objects.filter(pk=alice.pk).update(last_login=timezone.now())
    first = make_entry("first")
    if connection.vendor == "sqlite":
        make_entry("taken out")
        given, name = first.pk + 1, "TRIGGER activity_log_no_delete"
        off, on = f"DROP {name}", append_only.SQLITE["activity_log_no_delete"][1]
    else:
        given, name = first.pk + 5000, "ALTER TABLE activity_logentry {} TRIGGER activity_log_no_change"
        weaken(f"SELECT setval(pg_get_serial_sequence('activity_logentry', 'id'), {given})")
        off, on = name.format("DISABLE"), name.format("ENABLE")
    weaken(off)
    weaken(f"DELETE FROM activity_logentry WHERE id > {first.pk}")  # noqa: S608 - a number
    weaken(on)
    said_everywhere(f"The newest entry is number {first.pk}, although its database has given numbers up to", capsys)
    weaken(off)
    weaken("DELETE FROM activity_logentry")
    weaken(on)
    said_everywhere("The activity log is empty, although its database has given numbers up to", capsys)
    weaken(
        "DELETE FROM sqlite_sequence WHERE name = 'activity_logentry'"
        if connection.vendor == "sqlite"
        else "SELECT setval(pg_get_serial_sequence('activity_logentry', 'id'), 1, false)"
    )
    said_everywhere("The activity log is empty, although people have logged in", capsys)


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_trigger_on_the_log_is_seen_whatever_the_case_of_its_tables_name(capsys: pytest.CaptureFixture[str]) -> None:
    make_entry("kept")
    weaken("CREATE TRIGGER Hush BEFORE INSERT ON ACTIVITY_LOGENTRY BEGIN SELECT RAISE(IGNORE); END")
    said_everywhere("The trigger Hush is not ours", capsys)
    with pytest.raises(DatabaseError, match="dropped an entry of the activity log without an error"):
        log.record(Verb.CONNECTOR_STEP, "hushed")
    weaken("DROP TRIGGER activity_log_no_update")  # it is put back, and what cannot be written into the log is said
    capsys.readouterr()
    call_command("migrate", verbosity=0)
    assert "activity_log_no_update is missing. It was put back, but the log took no entry" in capsys.readouterr().err
    weaken("DROP TRIGGER hush")
    assert integrity.find_problems() == []


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_log_in_capitals_gets_its_name_back(capsys: pytest.CaptureFixture[str]) -> None:
    stored = make_entry("kept")
    weaken("ALTER TABLE activity_logentry RENAME TO other; ALTER TABLE other RENAME TO ACTIVITY_LOGENTRY")
    said_everywhere("The table activity_logentry was renamed to ACTIVITY_LOGENTRY.", capsys)
    assert integrity.find_problems() == []
    assert LogEntry.objects.filter(pk=stored.pk).exists()


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_row_level_security_and_child_tables_are_an_error_and_taken_off(capsys: pytest.CaptureFixture[str]) -> None:
    stored = make_entry("kept")
    table = "activity_logentry"
    weaken(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    weaken(f"CREATE POLICY hush ON {table} USING (id < 0)")
    weaken(f"CREATE TABLE forged () INHERITS ({table})")
    weaken("INSERT INTO forged SELECT * FROM activity_logentry")
    try:
        texts = [one.text for one in integrity.find_problems()]
        assert any("Row-level security is on for the table activity_logentry" in one for one in texts)
        assert any("The policy hush is not ours" in one for one in texts)
        said_everywhere("The table forged inherits from activity_logentry", capsys)
        left = {one.text: one.remedy for one in integrity.find_problems()}
        assert next(iter(left.values())) == "If nobody knows what it is for: DROP POLICY hush ON activity_logentry"
        assert [text.partition(" looks")[0] for text in left][1:] == ["forged"]  # its rows stay for people to look at
        assert LogEntry.objects.filter(pk=stored.pk).count() == 1
    finally:
        weaken("DROP POLICY hush ON activity_logentry; DROP TABLE forged")
    assert integrity.find_problems() == []


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_a_function_that_cannot_be_replaced_is_said_and_keeps_nothing_else_from_being_mended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entry("kept")
    weaken("DROP TRIGGER activity_log_numbers ON activity_logentry")
    weaken("CREATE OR REPLACE FUNCTION activity_log_prune() RETURNS trigger LANGUAGE plpgsql AS " + BODY)
    as_owner = append_only.renewal(connection)
    refused = ["SET LOCAL ROLE pg_read_all_data", as_owner[2][0]]  # a role that does not own the function
    monkeypatch.setattr(append_only, "renewal", lambda _: [*as_owner[:2], refused, *as_owner[3:]])
    call_command("migrate", verbosity=0)
    said = capsys.readouterr().err
    assert "activity_log_numbers is missing. It was put back" in said
    assert "activity_log_prune was replaced by another. It could not be put back: " in said
    assert "ALTER … OWNER TO" in said
    [problem] = integrity.find_problems()
    assert "function activity_log_prune" in problem.text
    monkeypatch.undo()
    call_command("migrate", verbosity=0)
    assert integrity.find_problems() == []


@pytest.mark.django_db
def test_whatever_breaks_a_check_is_an_error_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> list[object]:
        raise ZeroDivisionError("of a row")

    make_entry("kept")
    monkeypatch.setattr(integrity_rows, "dated_back", broken)
    assert [one.text for one in integrity.find_problems()] == [
        "The order of entries cannot be read: ZeroDivisionError: of a row"
    ]
    monkeypatch.setattr(checks, "CHECKS", (checks.geoip, broken, checks.log_integrity))
    found = checks.run_quick_checks()
    assert [one.name for one in found] == [checks.DATABASE, "GeoIP", "Broken", checks.LOG_INTEGRITY]
    assert found[2].is_error
    assert found[2].text == "It could not be checked: ZeroDivisionError: of a row"
