"""The log names a transaction that holds the database for long, and slow work happens outside of transactions."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from sessionadmin.database import transactions
from sessions_app.gateway.recordings import assemble, lines, retention
from sessions_app.gateway.recordings.models import Recording, RecordingText
from tests.support.builders import PASSWORD
from tests.support.recordings import add, end, make_cast, make_running

NEW = "a long enough password"
WRITE = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("PRAGMA journal_mode=WAL")
other.execute("BEGIN IMMEDIATE")
other.execute("COMMIT")
other.close()
"""


@pytest.fixture
def every_transaction_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "LONG", 0.0)


def open_and_close() -> None:
    with transaction.atomic():
        get_user_model().objects.exists()
        with transaction.atomic():
            pass


@pytest.mark.django_db(transaction=True)
def test_a_long_transaction_is_logged_with_who_opened_it(
    every_transaction_is_long: None, caplog: pytest.LogCaptureFixture
) -> None:
    open_and_close()
    (line,) = [record.getMessage() for record in caplog.records if "held the database" in record.getMessage()]
    assert line.startswith("A transaction held the database for 0.0 s")
    origin = line.split(": ", 1)[1].split(" < ")[0]
    assert origin.startswith("tests/project/test_slow_transactions.py:")
    assert origin.endswith(" open_and_close")


@pytest.mark.django_db(transaction=True)
def test_one_that_is_rolled_back_is_logged_too_and_quick_ones_are_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    open_and_close()
    assert "held the database" not in caplog.text
    monkeypatch.setattr(transactions, "LONG", 0.0)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        raise ZeroDivisionError
    assert caplog.text.count("held the database") == 1


def a_long_recording() -> Recording:
    """Create a recording that has ended, with thirty lines on its screen."""
    recording = make_running()
    cast = make_cast()
    for number in range(30):
        cast.output(f"line {number}\r\n".encode())
    add(recording, cast)
    end(recording)
    return recording


def counts_between_transactions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list with the number of lines now, to which each pause between transactions adds the next number."""
    found = [RecordingText.objects.count()]
    monkeypatch.setattr(lines, "_let_others", lambda began: found.append(RecordingText.objects.count()))
    return found


@pytest.mark.django_db(transaction=True)
def test_the_lines_of_a_recording_are_written_and_removed_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = a_long_recording()
    monkeypatch.setattr(lines, "LINES_PER_WRITE", 7)
    counts = counts_between_transactions(monkeypatch)
    assert assemble.close(recording.pk)
    assert counts == [0, 7, 14, 21, 28, 30]
    counts.clear()
    recording.refresh_from_db()
    assert retention.remove(recording)
    assert counts == [23, 16, 9, 2, 0]


@pytest.mark.django_db(transaction=True)
def test_who_was_overtaken_while_writing_lines_writes_no_more_and_the_other_has_each_line_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = a_long_recording()
    other = a_long_recording()
    assert assemble.close(other.pk)
    monkeypatch.setattr(lines, "LINES_PER_WRITE", 7)
    keep = assemble.ClosingClaim.keep
    looks = iter(range(100))

    def overtaken(claim: assemble.ClosingClaim) -> bool:
        if next(looks) == 2:
            Recording.objects.filter(pk=claim.recording.pk).update(closing_at=None)
        return keep(claim)

    monkeypatch.setattr(assemble.ClosingClaim, "keep", overtaken)
    assert not assemble.close(recording.pk)
    assert RecordingText.objects.filter(recording=recording).count() == 14
    monkeypatch.setattr(assemble.ClosingClaim, "keep", keep)
    assert assemble.close(recording.pk)
    texts = list(RecordingText.objects.filter(recording=recording).order_by("pk").values_list("text", flat=True))
    assert texts == [f"line {number}" for number in range(30)]
    assert RecordingText.objects.filter(recording=other).count() == 30


@pytest.fixture
def in_transaction(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that gets, for each password that is hashed, whether a transaction was open."""
    hasher = type(get_hasher())
    encode, found = hasher.encode, []

    def noting(self: Any, *args: Any, **kwargs: Any) -> str:
        found.append(connection.in_atomic_block)
        return encode(self, *args, **kwargs)

    monkeypatch.setattr(hasher, "encode", noting)
    return found


@pytest.mark.django_db(transaction=True)
def test_the_first_administrators_password_is_hashed_before_the_transaction(in_transaction: list[bool]) -> None:
    call_command("create_first_admin", verbosity=0)
    assert User.objects.filter(username="admin").exists()
    assert in_transaction == [False]


def log_in(admin: User, alice: User) -> None:
    Client().post("/accounts/login/", {"username": "alice", "password": PASSWORD})


def change_own(admin: User, alice: User) -> None:
    browser = Client()
    browser.force_login(alice)
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert browser.post("/accounts/password/", form)["Location"] == "/accounts/me/"
    assert browser.get("/accounts/me/").status_code == 200


def give_another(admin: User, alice: User) -> None:
    browser = Client()
    browser.force_login(admin)
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert browser.post(f"/admin/auth/user/{alice.pk}/password/", form).status_code == 302


def make_user(admin: User, alice: User) -> None:
    browser = Client()
    browser.force_login(admin)
    form = {"username": "new", "password1": NEW, "password2": NEW, "usable_password": "true"}
    assert browser.post("/admin/auth/user/add/", form).status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("deed", "name"),
    [
        (log_in, ""),
        (change_own, "alice"),
        (give_another, "alice"),
        (make_user, "new"),
    ],
)
def test_passwords_are_hashed_before_the_transaction(
    admin: User, alice: User, in_transaction: list[bool], deed: Callable[[User, User], None], name: str
) -> None:
    deed(admin, alice)
    assert in_transaction
    assert not any(in_transaction)
    if name:
        assert User.objects.get(username=name).check_password(NEW)
        assert User.objects.get(username="admin").check_password(PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_a_password_that_is_not_saved_is_not_hashed(admin: User, alice: User, in_transaction: list[bool]) -> None:
    """What the form refuses, and an account that gets none."""
    browser = Client()
    browser.force_login(admin)
    before = alice.password
    page, add = f"/admin/auth/user/{alice.pk}/password/", "/admin/auth/user/add/"
    different = {"password1": NEW, "password2": PASSWORD, "usable_password": "true"}
    assert browser.post(page, different).status_code == 200
    assert browser.post(add, {"username": "new", **different}).status_code == 200
    assert browser.post(add, {"username": "new", "usable_password": "false"}).status_code == 302
    assert in_transaction == []
    alice.refresh_from_db()
    assert alice.password == before
    assert not User.objects.get(username="new").has_usable_password()


def another_process_comes_and_goes(path: Path) -> None:
    """Let another process open the database, write and close it. As the last one it would remove the journal."""
    subprocess.run([sys.executable, "-c", WRITE, str(path)], check=True)


def journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def test_who_opens_the_file_of_its_own_database_past_sqlite_loses_the_locks_on_it(tmp_path: Path) -> None:
    """POSIX has locks for a process, not for a file that it opened: closing the file once gives up all of them. The
    next process that closes the database then removes the journal of the one that goes on, whose new connections fail
    at their PRAGMAs with `disk I/O error`. This shows that the test below would notice."""
    path = tmp_path / "one.sqlite3"
    mine = sqlite3.connect(path, isolation_level=None)
    mine.execute("PRAGMA journal_mode=WAL")
    mine.execute("CREATE TABLE one (id)")
    another_process_comes_and_goes(path)
    assert journal(path).exists()
    path.read_bytes()
    another_process_comes_and_goes(path)
    assert not journal(path).exists()
    mine.close()


def back_up(directory: Path) -> None:
    call_command("backup", directory / "backup.tar", verbosity=0)


def examine(directory: Path) -> None:
    call_command("check", verbosity=0)
    with contextlib.suppress(CommandError):  # no worker runs here
        call_command("doctor", skip_hosts=True, stdout=StringIO())


def ask_for_health(directory: Path) -> None:
    assert Client().get("/healthz").status_code == 200


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_nothing_that_looks_at_the_database_opens_its_file_past_sqlite(tmp_path: Path) -> None:
    path = Path(str(connection.settings_dict["NAME"]))
    User.objects.exists()
    for look in (back_up, examine, ask_for_health):
        look(tmp_path)
        another_process_comes_and_goes(path)
        assert journal(path).exists(), look.__name__
    fresh = connection.copy()
    fresh.ensure_connection()
    fresh.close()
