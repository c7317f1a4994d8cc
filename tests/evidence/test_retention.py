"""Retention by setting: old entries are sealed and exported, and only then deleted."""

from __future__ import annotations

import datetime as dt
import errno
import json
import logging
import stat
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import DatabaseError, connection
from django.utils import timezone

from activity import log, prune, pruned_files
from activity.models import LogEntry
from activity.verbs import Verb
from activity.verify_sessionadmin import main
from sessions_app.evidence import retention
from sessions_app.evidence.models import LogRetention
from sessions_app.worker.health.findings import Grade
from sessions_app.worker.health.retention import retention as health
from sessions_app.worker.retention import RetentionKeeper
from tests.support.entries import ago
from tests.support.sealing import findings, key_file, seal, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.LOG_RETENTION_DAYS = 400
    settings.LOG_RETENTION_DIR = str(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


def old(count: int, days: float = 500) -> None:
    with log.importing("earlier entries"):
        for number in range(count):
            log.record(Verb.LOGIN, f"old {number}", at=ago(days=days - number / 1000), details={"n": number})


def there(text: str = "old") -> int:
    return LogEntry.objects.filter(message__startswith=text).count()


def files(folder: Path, ending: str = ".jsonl") -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(ending) and "proofs" not in path.name]


def test_it_deletes_what_is_too_old_and_its_file_verifies(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old(300)
    old(2, days=399)
    write(3)
    assert retention.delete_if_due() == 300
    assert there() == 2
    (file,) = files(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        file.name,
        f"{file.name}.manifest",
        f"{file.name}.proofs.jsonl",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert json.loads(file.read_text().splitlines()[7])["entry"]["details"] == {"n": 7}
    assert LogEntry.objects.get(verb=Verb.LOG_PRUNED).details["export"] == file.name
    assert main(["--key", str(key_file(tmp_path)), str(file)]) == 0
    said = capsys.readouterr().out
    assert "1 thing could not be checked" in said  # another checkpoint is needed for that
    assert "300 rows" in said
    seal()
    assert findings() == []
    assert "The last 300 are in" in health().text


def test_it_is_done_once_a_day_and_without_old_entries_leaves_no_file(folder: Path) -> None:
    assert retention.delete_if_due() == 0
    assert files(folder) == []
    old(1)
    assert retention.delete_if_due() == 0
    LogRetention.objects.update(next_at=timezone.now())
    assert retention.delete_if_due() == 1


def test_many_are_deleted_a_part_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MOST_AT_ONCE", 4)
    old(10)
    assert retention.delete_if_due() == 10
    assert len(files(folder)) == 3
    assert LogEntry.objects.filter(verb=Verb.LOG_PRUNED).count() == 3
    seal()
    assert findings() == []


def test_a_worker_that_stops_leaves_the_rest_for_the_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MOST_AT_ONCE", 4)
    old(10)
    answers = iter([True, False])
    assert retention.delete_if_due(lambda: next(answers)) == 4
    assert retention.delete_if_due() == 6


def full(*args: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("is_missing", [True, False])
def test_without_its_file_nothing_is_deleted_and_health_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_missing: bool
) -> None:
    old(2)
    with monkeypatch.context() as broken:
        if is_missing:
            folder.rmdir()
        else:
            broken.setattr(pruned_files, "onto_disk", full)
        assert retention.delete_if_due() == 0
        LogRetention.objects.update(next_at=timezone.now())
        assert retention.delete_if_due() == 0
    assert there() == 2
    assert health().grade is Grade.WARNING
    assert ("No such file" if is_missing else "No space left") in health().text
    assert LogEntry.objects.filter(verb=Verb.RETENTION_FAILED).count() == 1  # and not one every hour
    folder.mkdir(exist_ok=True)
    assert list(folder.iterdir()) == []
    LogRetention.objects.update(next_at=timezone.now())
    assert retention.delete_if_due() == 2
    assert health().grade is Grade.OK


def test_nothing_is_deleted_that_cannot_be_signed(folder: Path, settings: Any) -> None:
    old(2)
    settings.ENCRYPTION_KEYS = []
    assert retention.delete_if_due() == 0
    assert there() == 2
    assert list(folder.iterdir()) == []
    assert health().grade is Grade.WARNING


def test_below_a_year_it_obeys_only_who_says_that_it_is_meant(
    folder: Path, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LOG_RETENTION_DAYS = 364
    old(2)
    with caplog.at_level(logging.WARNING):
        RetentionKeeper(threading.Event()).look()
    assert there() == 2
    (warned,) = [one for one in run_checks() if one.id == "sessions_app.W062"]
    for said in (str(warned.msg), health().text, caplog.text):
        assert "12 months are what PCI DSS 10.5.1 asks" in said
    settings.LOG_RETENTION_BELOW_YEAR = True
    assert not [one for one in run_checks() if one.id == "sessions_app.W062"]
    RetentionKeeper(threading.Event()).look()
    assert there() == 0
    assert health().grade is Grade.OK


def test_without_the_setting_entries_stay_for_ever(folder: Path, settings: Any) -> None:
    old(1)
    for days in (0, -5):
        settings.LOG_RETENTION_DAYS = days
        assert retention.delete_if_due() == 0
    assert there() == 1
    assert [one.id for one in run_checks() if one.id == "sessions_app.E062"]
    assert "for ever" in health().text


def test_the_file_stays_when_the_database_does_not_say_whether_it_deleted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(2)

    class BrokenAtTheEnd:
        def __enter__(self) -> None:
            pass

        def __exit__(self, *args: object) -> None:
            raise DatabaseError("the connection is lost")

    monkeypatch.setattr(prune, "transaction", SimpleNamespace(atomic=BrokenAtTheEnd))
    assert retention.delete_if_due() == 0
    assert there() == 0  # it had committed
    assert len(files(folder)) == 1
    assert "did not say" in health().text


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_delete_and_export_once(folder: Path) -> None:
    old(5)
    seal()
    done, start = [], threading.Barrier(2)

    def work() -> None:
        start.wait()
        try:
            done.append(retention.delete_if_due())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 5]
    assert len(files(folder)) == 1
    assert LogEntry.objects.filter(verb=Verb.LOG_PRUNED).count() == 1
    LogRetention.objects.update(held_until=timezone.now() - dt.timedelta(seconds=1), next_at=timezone.now())
    assert retention.delete_if_due() == 0  # a worker that died holds it no longer
    assert LogRetention.current().done_at is not None
