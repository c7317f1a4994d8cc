"""`make run` after the installation: what it prepares the first time, and does not do again."""

from __future__ import annotations

import contextlib
import re
import socket
import sqlite3
import stat
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from scripts import run
from tests.support import programs
from tests.support.waiting import wait_until

NO_DATABASE = "DATABASE_URL or REPLICA_URL is not the address of a database."
RUN = [sys.executable, "-m", "scripts.run"]


def trial(var: Path, name: str, **extra: str) -> AbstractContextManager[programs.Running]:
    """Run `make run` with its data in `var`. It prints to a file called `name`."""
    port = programs.free_port()
    environment = programs.clean_environment(VAR_DIR=str(var), PORT=str(port), **extra)
    return programs.serving(RUN, environment, port, var.parent / name)


def passwords(text: str) -> set[str]:
    """Return every random password in `text`: of the sample accounts, or after the word Password."""
    sample = re.findall(r"(?<![\w-])[a-z0-9]{4}(?:-[a-z0-9]{4}){3}(?![\w-])", text)
    return {*sample, *re.findall(r"[Pp]assword: +(\S{20})(?!\S)", text)}


def test_the_first_start_brings_sample_accounts_and_the_second_shows_them_again(tmp_path: Path) -> None:
    """With PRACTICE_HOST=0, which leaves out the practice host; tests/hosts/test_practice_sshd.py has one with it."""
    var = tmp_path / "var"
    with trial(var, "first", PRACTICE_HOST="0") as first:
        assert first.get("/healthz") == (200, "ok")
        assert "Preparing the database ..." in first.printed()
        assert "Making sample data ..." in first.printed()
        for noise in ("A transaction held", "System check identified", "Traceback", "WARNING"):
            assert noise not in first.printed()
        address = f"Serving on http://127.0.0.1:{first.port}"
        wait_until(lambda: address in first.printed(), "the address is printed")
        accounts = var / "sample_accounts.txt"
        assert stat.S_IMODE(accounts.stat().st_mode) == 0o600
        shown = passwords(accounts.read_text())
        assert len(shown) >= 4  # administrator, auditor, approver, user
        assert shown <= passwords(first.printed())
        assert (var / "geoip" / "sample.mmdb").exists()
        for path in (var, var / "sessionadmin.sqlite3", var / "practice"):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, f"others may read {path.name}"
        assert not any("sshd" in command for command in programs.descendants(first.process.pid).values())
    assert not (var / "practice_sshd").exists()
    prepared = (var / "prepared.json").stat().st_mtime_ns
    with trial(var, "second", PRACTICE_HOST="0") as second:
        assert shown <= passwords(second.printed())
    assert (var / "prepared.json").stat().st_mtime_ns == prepared


def test_an_empty_start_prints_one_administrator_once_and_again_when_the_database_was_deleted(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with trial(var, "first", EMPTY="1") as first:
        assert len(passwords(first.printed())) == 1
        assert not (var / "sample_accounts.txt").exists()
        assert not (var / "geoip").exists()
    with trial(var, "second", EMPTY="1") as second:
        assert passwords(second.printed()) == set()
    for path in var.glob("sessionadmin.sqlite3*"):
        path.unlink()
    with trial(var, "third", EMPTY="1") as third:
        assert len(passwords(third.printed()) - passwords((tmp_path / "first").read_text())) == 1


def test_the_data_of_a_trial_before_the_first_version_is_left_alone_and_a_sentence_says_what_to_delete(
    tmp_path: Path,
) -> None:
    var = tmp_path / "var"
    var.mkdir(0o700)
    file = var / "sessionadmin.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as old, old:
        old.execute("PRAGMA journal_mode = wal")
        old.execute("CREATE TABLE django_migrations (id integer PRIMARY KEY, app text, name text, applied datetime)")
        old.execute("INSERT INTO django_migrations (app, name) VALUES ('activity', '0003_log_indexes')")
    before = file.read_bytes()
    trial_settings = {"VAR_DIR": str(var), "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.development"}
    for command in (RUN, [*programs.MANAGE, "migrate"]):
        result = programs.run(command, programs.clean_environment(**trial_settings, PORT=str(programs.free_port())))
        assert result.returncode == 1
        said = result.stderr.splitlines()[-1]
        assert "trial before version 0.1" in said
        assert "nothing was changed" in said
        assert f"delete the folder {var} " in said
        assert "Traceback" not in result.stderr
        assert file.read_bytes() == before


@pytest.mark.parametrize("changed", ["activity/migrations/0002_more.py", "sessionadmin/cache.py", "requirements.lock"])
def test_a_start_after_an_update_migrates_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    monkeypatch.setattr(run, "ROOT", tmp_path)
    for name in ("activity/migrations/0001_initial.py", "sessionadmin/cache.py", "requirements.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("first\n")
    before = run.migrations_fingerprint()
    assert run.migrations_fingerprint() == before
    (tmp_path / changed).write_text("second\n")
    assert run.migrations_fingerprint() != before


def test_links_in_letters_lead_to_the_port_that_is_served(tmp_path: Path) -> None:
    show = [sys.executable, "-c", "from django.conf import settings; print(settings.SITE_URL)"]
    trial_settings = {"VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.development"}
    for extra, expected in (
        ({"PORT": "9000"}, "http://127.0.0.1:9000"),
        ({}, "http://127.0.0.1:8000"),
        ({"PORT": "9000", "SITE_URL": "https://console.example.com"}, "https://console.example.com"),
    ):
        result = programs.run(show, programs.clean_environment(**trial_settings, **extra))
        assert result.stdout.strip() == expected, result.stderr


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused_before_anything_is_made(tmp_path: Path, port: str) -> None:
    var = tmp_path / "var"
    result = programs.run(RUN, programs.clean_environment(VAR_DIR=str(var), PORT=port))
    assert result.returncode == 1
    assert f"PORT={port} is not a port" in result.stderr
    assert not var.exists()


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("DATABASE_URL", "nonsense:secret", NO_DATABASE),
        (
            "DATABASE_URL",
            "mysql://user:secret@host/name",
            NO_DATABASE,
        ),
        ("DATABASE_URL", "postgres://u:secret@127.0.0.1:1/name", "The database does not answer: "),
        ("GATEWAY_PORT", "http", "The value of GATEWAY_PORT cannot be used: "),
    ],
)
def test_what_keeps_it_from_starting_is_said_in_one_sentence(
    tmp_path: Path, setting: str, value: str, said: str
) -> None:
    trial_settings = {"VAR_DIR": str(tmp_path / "var"), "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.development"}
    for command in (RUN, [*programs.MANAGE, "migrate"]):
        port = str(programs.free_port())
        result = programs.run(command, programs.clean_environment(**trial_settings, PORT=port, **{setting: value}))
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith(said)
        assert "Nothing was started." in line
        assert "secret" not in result.stderr + result.stdout


def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = programs.run(RUN, programs.clean_environment(VAR_DIR=str(tmp_path / "var"), PORT=port))
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Cannot listen on 127.0.0.1 port {port}: ")
