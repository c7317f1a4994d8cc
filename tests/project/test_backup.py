"""`sessionadmin backup` and `restore`: everything comes back, and what the backup believes to go on is ended."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import stat
import sys
import tarfile
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection
from sessions_app.hosts.connectors import practice
from sessions_app.logins.models import LoginSession
from sessions_app.management import archive, dumps
from sessions_app.management.commands.restore import refuse_newer, refuse_while_running
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from sessions_app.worker.after_restore import SKIPPED_NUMBERS, correct_after_restore
from sessions_app.worker.health.heartbeat import beat
from tests.support import builders, migrated, programs
from tests.support.recordings import make_connection
from tests.support.scene import ask, granted

SETUP = "import django\ndjango.setup()\nfrom django.contrib.auth import get_user_model\n"
MAKE = f"""{SETUP}
from django.core.files.base import ContentFile
from sessions_app.gateway.recordings.storage import storage
get_user_model().objects.create_user("alice")
storage().save("2026/01/1.cast", ContentFile(b"a recording"))
"""
ADD = f'{SETUP}get_user_model().objects.create_user("mallory")\n'
READ = f"""{SETUP}
from activity.models import LogEntry
print(sorted(get_user_model().objects.values_list("username", flat=True)))
print(LogEntry.objects.filter(verb="console.restored").count())
"""


@pytest.mark.django_db(transaction=True)
def test_what_the_backup_believes_to_go_on_is_ended(alice: User, outsider: User) -> None:
    Client().force_login(alice)
    session = granted(alice)
    for name in ("web-2", "web-3"):
        builders.make_policy(name, users=[alice], resources=[builders.make_resource(name)])
    due = ask(alice, resource="web-2", start_at=timezone.now() + dt.timedelta(hours=1))
    later = ask(alice, resource="web-3", start_at=timezone.now() + dt.timedelta(days=2))
    PrivilegedSession.objects.filter(pk=due.pk).update(scheduled_for=timezone.now() - dt.timedelta(hours=1))
    open_connection = make_connection(session)
    lines = correct_after_restore("2026-01-31T03:00:00+00:00")
    assert lines == [
        "Connections noted as lost: 1",
        "Logins ended: 1",
        "Sessions whose rights the worker takes away as soon as it runs: 1",
        "Sessions canceled because they were due by now: 1",
    ]
    assert GatewayConnection.objects.get(pk=open_connection.pk).end_reason == ConnectionEnd.LOST
    assert not LoginSession.objects.live().exists()
    assert not Session.objects.exists()
    statuses = dict(PrivilegedSession.objects.values_list("pk", "status"))
    assert statuses == {session.pk: Status.CANCELING, due.pk: Status.CANCELED, later.pk: Status.PENDING}
    reconcile()
    assert practice.grants() == []
    assert LogEntry.objects.get(verb=Verb.CONSOLE_RESTORED).details["lines"] == lines
    assert builders.make_session(outsider).pk > later.pk + SKIPPED_NUMBERS - 1


@pytest.mark.django_db
def test_nothing_is_restored_while_a_worker_runs_nor_from_a_newer_version() -> None:
    refuse_while_running()
    refuse_newer(["sessions_app.0001_first_version"])
    with pytest.raises(CommandError, match="newer version"):
        refuse_newer(["sessions_app.9999_from_the_future"])
    beat("worker")
    with pytest.raises(CommandError, match="Stop them"):
        refuse_while_running()


@pytest.mark.django_db(transaction=True)
def test_a_backup_is_its_owners_alone_holds_the_keys_unless_told_and_overwrites_nothing(tmp_path: Path) -> None:
    file, bare = tmp_path / "one.tar", tmp_path / "two.tar"
    call_command("backup", str(file), stdout=StringIO())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as written:
        assert {"manifest.json", "database", "keys.json"} <= set(written.getnames())
        keys = written.extractfile("keys.json")
        assert keys is not None
        assert django_settings.ENCRYPTION_KEYS[0] in keys.read().decode()
    call_command("backup", str(bare), without_keys=True, stdout=StringIO())
    with tarfile.open(bare) as written:
        assert "keys.json" not in written.getnames()
    with pytest.raises(CommandError, match="is there already"):
        call_command("backup", str(file))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["one.tar", "two.tar"]


@pytest.mark.django_db
def test_what_is_no_backup_changes_nothing(tmp_path: Path, settings: Any) -> None:
    settings.VAR_DIR = tmp_path
    (tmp_path / "not.tar").write_text("nothing")
    with pytest.raises(CommandError, match=r"is no backup of a console.*Nothing was changed"):
        call_command("restore", str(tmp_path / "not.tar"), yes=True)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"SQLite format 3\x00" + b"x" * 5000)
    with pytest.raises(CommandError, match="Nothing was changed"):
        dumps.check(damaged)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../out", tarfile.REGTYPE),
        ("/out", tarfile.REGTYPE),
        ("../out", tarfile.DIRTYPE),
        ("/out", tarfile.DIRTYPE),
        ("recordings/out", tarfile.SYMTYPE),
        ("recordings/out", tarfile.LNKTYPE),
        ("recordings/out", tarfile.CHRTYPE),
        ("recordings/out", tarfile.BLKTYPE),
        ("recordings/out", tarfile.FIFOTYPE),
    ],
)
@pytest.mark.django_db
def test_an_archive_with_a_link_a_device_or_a_name_outside_is_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as bad:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        bad.addfile(member)
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(CommandError, match=r"which no backup does\. Nothing was changed"):
        archive.unpack(tmp_path / "bad.tar", inside)
    assert {path.name for path in tmp_path.rglob("*")} == {"bad.tar", "inside"}


@pytest.mark.django_db(transaction=True)
def test_a_backup_that_was_packed_again_with_its_directories_is_unpacked(tmp_path: Path) -> None:
    call_command("backup", str(tmp_path / "written.tar"), stdout=StringIO())
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    manifest = archive.unpack(tmp_path / "written.tar", first)
    (first / "recordings" / "2026").mkdir(parents=True, exist_ok=True)
    (first / "recordings" / "2026" / "1.cast").write_bytes(b"a recording")
    with tarfile.open(tmp_path / "again.tar", "w") as again:
        again.add(first, ".")
        assert {".", "./recordings/2026"} <= {member.name for member in again if member.isdir()}
    assert archive.unpack(tmp_path / "again.tar", second) == manifest
    assert (second / "recordings" / "2026" / "1.cast").read_bytes() == b"a recording"
    assert (second / "database").read_bytes() == (first / "database").read_bytes()


@pytest.mark.django_db(transaction=True)
def test_everything_comes_back(tmp_path: Path) -> None:
    """In a console of its own on the same kind of database; SQLite beside the journal of what is replaced."""
    var = tmp_path / "var"
    environment = programs.clean_environment(
        DJANGO_SETTINGS_MODULE="sessionadmin.settings.development", VAR_DIR=str(var)
    )
    if connection.vendor == "postgresql":
        name = f"{connection.settings_dict['NAME']}_restored"
        migrated.copy_on_postgresql(name)
        environment["DATABASE_URL"] = f"{os.environ['TEST_DATABASE_URL'].rpartition('/')[0]}/{name}"
    else:
        migrated.copy_to(var)

    def run(*command: str) -> str:
        done = programs.run(command, environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(sys.executable, "-c", MAKE)
    assert "1 recording." in run(*programs.MANAGE, "backup", str(tmp_path / "b.tar"))
    recording = var / "recordings" / "2026" / "01" / "1.cast"
    recording.unlink()
    run(sys.executable, "-c", ADD)
    restore = [*programs.MANAGE, "restore", "--yes", str(tmp_path / "b.tar")]
    if connection.vendor == "sqlite":
        other = sqlite3.connect(var / "sessionadmin.sqlite3")
        other.execute("SELECT COUNT(*) FROM auth_user").fetchone()
        refused = programs.run(restore, environment)
        assert refused.returncode == 1
        assert "Somebody has the database open" in refused.stderr
        other.close()
    environment["ENCRYPTION_KEYS"] = "b25seS1mb3ItdGhlLXRlc3RzLTAxMjM0NTY3ODlhYmM="
    said = run(*restore)
    assert "Restored the backup of" in said
    assert "another ENCRYPTION_KEYS" in said
    assert run(sys.executable, "-c", READ).splitlines() == ["['alice']", "1"]
    assert recording.read_bytes() == b"a recording"
    if connection.vendor == "sqlite":
        [replaced] = var.glob("sessionadmin.sqlite3.before-restore-*")
        assert stat.S_IMODE(replaced.stat().st_mode) == 0o600
    stored = var / "restored.env"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert stored.read_text() == f"ENCRYPTION_KEYS={(var / 'encryption_key').read_text()}\n"
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")
