"""sessionadmin prune_activity: the one way in which log entries are deleted."""

from __future__ import annotations

import csv
import datetime as dt
import io
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from activity import prune
from activity.models import LogEntry, PruneRequest
from activity.verbs import Verb
from tests.support.entries import ago, another_connection, make_entry


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("prune_activity", *arguments, stdout=out)
    return out.getvalue()


def before(**parts: float) -> str:
    return ago(**parts).isoformat()


@pytest.mark.django_db
def test_without_yes_it_only_says_what_it_would_delete() -> None:
    make_entry("old", ago(days=40))
    out = run("--before", before(days=30))
    assert "1 log entries are older than" in out
    assert "Nothing was deleted" in out
    assert LogEntry.objects.filter(message="old").exists()
    assert not LogEntry.objects.filter(verb=Verb.LOG_PRUNED).exists()


@pytest.mark.django_db
def test_it_deletes_what_is_older_and_records_that_it_did() -> None:
    limit = ago(days=30)
    for number in range(7):
        make_entry(f"old {number}", limit - dt.timedelta(microseconds=1 + number))
    make_entry("at the very limit", limit)
    make_entry("new", ago(days=2))
    out = run("--before", limit.isoformat(), "--yes")
    assert "Deleted 7 log entries older than" in out
    assert not LogEntry.objects.filter(message__startswith="old").exists()
    assert LogEntry.objects.filter(message__in=["at the very limit", "new"]).count() == 2
    entry = LogEntry.objects.get(verb=Verb.LOG_PRUNED)
    user = connection.settings_dict["USER"] if connection.vendor == "postgresql" else ""
    oldest = (limit - dt.timedelta(microseconds=7)).isoformat()
    said = {"rows": 7, "oldest": oldest, "before": limit.isoformat(), "export": "", "database_user": user}
    assert entry.details == said
    assert "7" in entry.message


@pytest.mark.django_db
def test_nothing_more_can_be_deleted_afterwards() -> None:
    make_entry("old", ago(days=40))
    run("--before", before(days=30), "--yes")
    assert not PruneRequest.objects.exists()
    make_entry("old, but later", ago(days=40))
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        LogEntry.objects.filter(message="old, but later").delete()


@pytest.mark.django_db
def test_where_nothing_is_old_enough_no_entry_is_left_either(tmp_path: Path) -> None:
    make_entry("new", ago(days=2))
    assert "Deleted 0 log entries" in run("--before", before(days=30), "--yes")
    assert not LogEntry.objects.filter(verb=Verb.LOG_PRUNED).exists()
    run("--before", before(days=30), "--yes", "--export", str(tmp_path / "none.csv"))
    assert LogEntry.objects.get(verb=Verb.LOG_PRUNED).details["rows"] == 0  # the file was asked for, and is named


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [23, 0, -1, -24 * 365])
def test_the_last_24_hours_and_the_future_are_refused(hours: int) -> None:
    make_entry("old", ago(days=40))
    for arguments in ([], ["--yes"]):
        with pytest.raises(CommandError, match="last 24 hours always stay"):
            run("--before", before(hours=hours), *arguments)
    assert LogEntry.objects.filter(message="old").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "", "0001-01-01T00:00+05:00"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is not a date"):
        run("--before", text, "--yes")


@pytest.mark.django_db
def test_a_date_means_its_midnight_in_utc() -> None:
    make_entry("the evening before", dt.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=dt.UTC))
    make_entry("midnight", dt.datetime(2024, 3, 1, tzinfo=dt.UTC))
    with timezone.override("Asia/Tokyo"):
        assert "Deleted 1 log entries older than 2024-03-01 00:00:00 UTC" in run("--before", "2024-03-01", "--yes")
    assert LogEntry.objects.filter(message="midnight").exists()


@pytest.mark.django_db
def test_it_writes_the_entries_to_a_file_before_it_deletes_them(tmp_path: Path) -> None:
    make_entry("first", ago(days=50), details={"n": 1})
    make_entry("=second", ago(days=40))
    file = tmp_path / "old.csv"
    out = run("--before", before(days=30), "--export", str(file), "--yes")
    assert f"Wrote 2 log entries to {file}" in out
    rows = list(csv.DictReader(file.open(encoding="utf-8", newline="")))
    assert [row["Message"] for row in rows] == ["first", "'=second"]
    assert rows[0]["Details"] == '{"n": 1}'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert LogEntry.objects.get(verb=Verb.LOG_PRUNED).details["export"] == "old.csv"


@pytest.mark.django_db
def test_what_says_that_entries_were_deleted_is_never_deleted_written_to_the_file_or_counted(tmp_path: Path) -> None:
    made = make_entry("as if it were of an earlier deletion", ago(days=50), verb=Verb.LOG_PRUNED)
    make_entry("old", ago(days=40))
    assert run("--before", before(days=30)).startswith("1 log entries")
    file = tmp_path / "old.csv"
    assert "Deleted 1 log entries" in run("--before", before(days=30), "--export", str(file), "--yes")
    assert len(list(csv.DictReader(file.open(encoding="utf-8", newline="")))) == 1
    assert LogEntry.objects.filter(pk=made.pk).exists()


@pytest.mark.django_db
def test_it_overwrites_no_file_and_deletes_nothing_where_it_cannot_write(tmp_path: Path) -> None:
    make_entry("old", ago(days=40))
    file = tmp_path / "there.csv"
    file.write_text("mine")
    with pytest.raises(CommandError, match="exists already"):
        run("--before", before(days=30), "--export", str(file), "--yes")
    with pytest.raises(CommandError, match="could not be written"):
        run("--before", before(days=30), "--export", str(tmp_path / "no" / "such.csv"), "--yes")
    assert file.read_text() == "mine"
    assert LogEntry.objects.filter(message="old").exists()


@pytest.mark.django_db
def test_when_it_fails_halfway_nothing_is_deleted_and_no_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entry("old", ago(days=40))

    def break_down(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr(prune, "int", break_down, raising=False)
    with pytest.raises(RuntimeError, match="power"):
        run("--before", before(days=30), "--export", str(tmp_path / "old.csv"), "--yes")
    assert LogEntry.objects.filter(message="old").exists()
    assert not PruneRequest.objects.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
def test_entries_that_come_between_writing_and_deleting_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entry("old", ago(days=40))
    write = prune._write

    def write_and_be_overtaken(*args: Any) -> int:
        count = write(*args)
        make_entry("old, from an import", ago(days=40))
        return count

    monkeypatch.setattr(prune, "_write", write_and_be_overtaken)
    with pytest.raises(CommandError, match="changed at the same moment"):
        run("--before", before(days=30), "--export", str(tmp_path / "old.csv"), "--yes")
    assert LogEntry.objects.filter(message="old").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_no_other_connection_ever_sees_the_request() -> None:
    make_entry("old", ago(days=40))
    other, seen = another_connection(), []
    if connection.vendor == "postgresql":
        other.execute("SET lock_timeout = '300ms'")

    def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        done = execute(sql, params, many, context)
        if sql.startswith("INSERT INTO") and "activity_prunerequest" in sql:
            (requests,) = other.execute("SELECT count(*) FROM activity_prunerequest").fetchone()
            with pytest.raises(Exception, match=r"append-only|locked|lock timeout"):
                other.execute("DELETE FROM activity_logentry WHERE message = 'old'")
            seen.append(requests)
        return done

    try:
        with connection.execute_wrapper(look):
            run("--before", before(days=30), "--yes")
        assert seen == [0]
        assert other.execute("SELECT count(*) FROM activity_prunerequest").fetchone() == (0,)
    finally:
        other.close()
    assert not LogEntry.objects.filter(message="old").exists()
