"""What the console keeps is its account's alone, has room on its disk, and what it serves is there."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections import namedtuple
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import WARNING
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client, override_settings

from activity.outage import Outage
from sessionadmin import urls
from sessions_app import checks_files
from sessions_app.checks_files import check_browser_files, check_private_files
from sessions_app.worker.health import files, writing
from sessions_app.worker.models import HealthMark
from tests.support import programs

pytestmark = pytest.mark.django_db
FULL = "The disk of the console is full"
Disk = namedtuple("Disk", "f_bavail f_frsize")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of a new probe that /healthz uses."""
    clock = Clock()
    monkeypatch.setattr(urls, "probe", writing.Probe(clock))
    return clock


def refusing(words: str) -> Any:
    def write(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError(words)

    return write


def health(client: Client) -> tuple[int, str]:
    answer = client.get("/healthz")
    return answer.status_code, answer.content.decode()


def test_healthz_writes_at_most_every_five_seconds(client: Client, clock: Clock) -> None:
    assert health(client) == (200, "ok")
    first = HealthMark.objects.get().written_at
    assert health(client) == (200, "ok")
    assert HealthMark.objects.get().written_at == first
    clock.now += writing.TRY_EVERY_SECONDS
    assert health(client) == (200, "ok")
    assert HealthMark.objects.get().written_at > first


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("database or disk is full", f"{FULL}."),
        ("attempt to write a readonly database", "The console cannot write to its database."),
    ],
)
def test_a_database_that_cannot_be_written_is_a_503_until_it_can(
    client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    assert health(client) == (200, "ok")
    clock.now += writing.TRY_EVERY_SECONDS
    with monkeypatch.context() as full:
        full.setattr(writing, "write", refusing(words))
        assert health(client) == (503, said)
        assert int(client.get("/healthz")["Retry-After"]) > 0
        assert writing.writing().is_error
    clock.now += writing.TRY_EVERY_SECONDS
    assert health(client) == (200, "ok")


def test_a_busy_database_is_no_reason_to_take_a_web_server_away_at_once(
    client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert health(client) == (200, "ok")
    monkeypatch.setattr(writing, "write", refusing("database is locked"))
    clock.now += writing.TRY_EVERY_SECONDS
    assert health(client) == (200, "ok")
    clock.now += writing.BUSY_FOR
    assert health(client) == (503, "The database of the console is busy.")


@pytest.mark.parametrize(
    ("free", "grade"),
    [(files.LITTLE_FREE_BYTES, "ok"), (files.LITTLE_FREE_BYTES - 1, "warning"), (files.NEARLY_NONE - 1, "error")],
)
def test_the_room_on_the_disk_is_looked_at(monkeypatch: pytest.MonkeyPatch, free: int, grade: str) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: Disk(free, 1))
    found = files.room()
    assert found.grade.value == grade
    assert (FULL in found.text) is (grade == "error")


def test_no_room_at_all_is_a_503(client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: Disk(0, 4096))
    assert health(client) == (503, f"{FULL}.")


def test_doctor_says_what_is_written_how_much_room_there_is_and_what_browsers_need() -> None:
    out = StringIO()
    call_command("doctor", skip_hosts=True, stdout=out)
    assert "ok      Writing: The console can write to its database." in out.getvalue()
    assert " MB free below " in out.getvalue()
    assert " Browser files: " in out.getvalue()


@pytest.fixture
def small_database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(tmp_path / "small.sqlite3")
    database.execute("PRAGMA max_page_count = 4")
    yield database
    database.close()


def test_what_sqlite_says_of_a_full_disk_is_known(small_database: sqlite3.Connection) -> None:
    small_database.execute("CREATE TABLE rows (text)")
    with pytest.raises(sqlite3.OperationalError) as caught:
        small_database.execute("INSERT INTO rows VALUES (?)", ["x" * 100_000])
    assert Outage.of(caught.value) is Outage.FULL


@pytest.mark.sqlite_only
@pytest.mark.parametrize(("account", "gives"), [(0, True), (1000, False)])
def test_a_database_file_that_root_makes_belongs_to_the_owner_of_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: int, *, gives: bool
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: account)
    monkeypatch.setattr(os, "fchown", lambda file, user, group: given.append((user, group)))
    fresh = connection.copy()
    fresh.settings_dict["NAME"] = tmp_path / "new.sqlite3"
    for _ in range(2):  # the second finds the file
        fresh.ensure_connection()
        fresh.close()
    assert stat.S_IMODE((tmp_path / "new.sqlite3").stat().st_mode) == 0o600
    owner = tmp_path.stat()
    assert given == ([(owner.st_uid, owner.st_gid)] if gives else [])


@pytest.mark.parametrize(("mode", "is_refused"), [(0o700, False), (0o750, True), (0o701, True), (0o755, True)])
def test_a_directory_that_others_may_enter_is_refused(
    settings: Any, tmp_path: Path, mode: int, *, is_refused: bool
) -> None:
    settings.VAR_DIR = tmp_path / "var"
    settings.VAR_DIR.mkdir()
    settings.VAR_DIR.chmod(mode)
    found = [one for one in check_private_files() if str(settings.VAR_DIR) in one.msg]
    assert [one.id for one in found] == (["sessions_app.E031"] if is_refused else [])


@pytest.mark.parametrize(("mode", "is_refused"), [(0o600, False), (0o644, True), (0o640, True)])
def test_an_sqlite_file_elsewhere_that_others_may_read_is_refused(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, *, is_refused: bool
) -> None:
    settings.VAR_DIR = tmp_path / "var"
    elsewhere = tmp_path / "elsewhere"
    for directory in (settings.VAR_DIR, elsewhere):
        directory.mkdir(mode=0o700)
    file = elsewhere / "console.sqlite3"
    file.touch()
    file.chmod(mode)
    monkeypatch.setattr("sessions_app.checks_files.database_file", lambda: file)
    assert check_private_files() == []  # nobody gets to it
    elsewhere.chmod(0o755)
    assert [one.id for one in check_private_files()] == (["sessions_app.E031"] if is_refused else [])


def test_the_directory_is_made_for_the_console_alone_and_a_wider_one_stops_every_command(tmp_path: Path) -> None:
    var = tmp_path / "deep" / "var"
    environment = programs.production(VAR_DIR=str(var))
    assert programs.run([*programs.MANAGE, "check", "--deploy"], environment).returncode == 0
    assert stat.S_IMODE(var.stat().st_mode) == 0o700
    var.chmod(0o755)
    refused = programs.run([*programs.MANAGE, "migrate"], environment)
    assert refused.returncode == 1
    assert f"VAR_DIR {var} has the mode 0755" in refused.stderr
    assert f"chmod 0700 {var}" in refused.stderr


def test_files_that_browsers_need_and_nobody_brought_are_told_by_the_deployment_check(
    settings: Any, tmp_path: Path
) -> None:
    settings.STATICFILES_DIRS = [tmp_path]
    settings.STATIC_ROOT = tmp_path / "collected"
    (message,) = check_browser_files()
    assert "xterm.mjs" in message.msg
    assert message.id == "sessions_app.W031"
    assert message.is_serious(WARNING)
    assert "Run .venv/bin/python -m scripts.vendor" in str(message.hint)
    with override_settings(BASE_DIR=tmp_path):  # as in the environment of a wheel
        assert "build the wheel again" in str(check_browser_files()[0].hint)
    assert files.in_the_browser().grade.value == "warning"
    (settings.STATIC_ROOT / "vendor").mkdir(parents=True)
    for name in checks_files.BROWSER_FILES:
        (settings.STATIC_ROOT / "vendor" / name).touch()
    assert check_browser_files() == []


def test_the_list_of_files_for_browsers_is_that_of_what_brings_them() -> None:
    from scripts import vendor  # noqa: PLC0415 - a script, which the product does not know

    assert set(checks_files.BROWSER_FILES) == set(vendor.FILES.values())


def test_a_database_without_a_file_of_its_own_is_measured_by_nobody() -> None:
    assert (checks_files.database_file() is None) is (connection.vendor == "postgresql")
