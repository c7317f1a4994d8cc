"""With a disk that is really full (a small file system, filled to the last byte), everybody gets a clear message."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection

from tests.support import builders, programs
from tests.support.scene import granted

# $1: an empty directory, $2: a database, $3 ...: the program that then runs with that directory on a disk of 8 MiB.
ON_A_SMALL_DISK = 'mount -t tmpfs -o size=8m tmpfs "$1" && cp "$2" "$1/db.sqlite3" && shift 2 && exec "$@"'

# Argument: the directory. Where nobody may mount, no file may grow any more instead; that is all that can be had there.
CONSOLE = f"""
import contextlib, io, os, resource, sqlite3, sys, xml.etree.ElementTree
import django
django.setup()
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.contrib.auth import get_user_model
from sessions_app.worker.health import writing
from sessions_app.worker.health.heartbeat import beat
from sessions_app.models import PrivilegedSession
from tests.support.pages import elements, texts

writing.TRY_EVERY_SECONDS = 0.0
place, is_mounted = sys.argv[1], os.path.ismount(sys.argv[1])
session, beside = PrivilegedSession.objects.order_by("pk")
admin, stranger = (Client(raise_request_exception=False) for _ in range(2))
admin.force_login(get_user_model().objects.get(username="admin"))
beat("worker")
with connection.cursor() as cursor:
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

@contextlib.contextmanager
def full():
    if is_mounted:
        with open(f"{{place}}/filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(bytes(4096)):
                pass
        yield
        os.remove(f"{{place}}/filler")
    else:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

def say(what, answer):
    print(what, answer.status_code, answer.get("Retry-After"), *said(answer))

def said(answer):
    if not answer.content.lstrip().startswith(b"<!"):
        return [answer.content.decode()]
    page = elements(answer)
    return texts(page, ".//*[@id='messages']/div/span") or texts(page, ".//h1")

def go_through(ids):
    log_in = {{"username": "alice", "password": {builders.PASSWORD!r}}}
    say("log in", stranger.post("/accounts/login/", log_in, follow=True))
    say("lock", admin.post("/sessions/do/lock/", {{"ids": ids, "title": "Stop"}}, follow=True))
    say("end", admin.post("/sessions/do/end/", {{"ids": ids}}, follow=True))
    say("healthz", stranger.get("/healthz"))

def doctor():
    out = io.StringIO()
    try:
        call_command("doctor", skip_hosts=True, stdout=out)
    except CommandError:
        print("doctor found errors")
    print(*[line for line in out.getvalue().splitlines() if line.startswith("error")], sep="\\n")

with full():
    go_through(session.pk)
    doctor()
    print("reads", admin.get("/sessions/").status_code)
    print("unchanged", PrivilegedSession.objects.get(pk=session.pk).status)
print("--- room again")
go_through(session.pk)
print("changed", PrivilegedSession.objects.get(pk=session.pk).status)
print("beside", PrivilegedSession.objects.get(pk=beside.pk).status)
"""


def small_disk_allowed(place: Path) -> list[str]:
    """Return the command that lets a program mount file systems; empty if this machine forbids it."""
    for words in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        probe = [*words, "mount", "-t", "tmpfs", "tmpfs", str(place)]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return words
    return []


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_said_by_log_in_lock_end_healthz_and_doctor(
    alice: User, admin: User, outsider: User, tmp_path: Path
) -> None:
    granted(alice)
    granted(outsider, resource="web-2")
    place, copy = tmp_path / "disk", tmp_path / "copy.sqlite3"
    place.mkdir()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
    program = [sys.executable, "-c", CONSOLE, str(place)]
    if words := small_disk_allowed(place):
        command = [*words, "sh", "-ec", ON_A_SMALL_DISK, "sh", str(place), str(copy), *program]
        heading = "The disk of the console is full"
    else:
        copy.replace(place / "db.sqlite3")
        command, heading = program, "The console cannot use its disk"
    environment = programs.clean_environment(
        DJANGO_SETTINGS_MODULE="sessionadmin.settings.test",
        TEST_DATABASE_URL=f"sqlite:///{place}/db.sqlite3",
        TEST_VAR_DIR=str(place / "var"),
        PYTHONPATH=str(programs.ROOT),
    )
    result = programs.run(command, environment)
    assert result.returncode == 0, result.stderr
    during, after = (text.splitlines() for text in result.stdout.split("--- room again\n"))
    remedy = "Tell an administrator, who"
    assert during[0].endswith(f" {heading}")
    assert during[0].startswith("log in 503 ")
    assert during[1].startswith(f"lock 200 None Patch Linux on web-1 for alice: not locked. {heading}. {remedy}")
    assert during[2].startswith(
        f"end 200 None Patch Linux on web-1 for alice: not ended or being ended. {heading}. {remedy}"
    )
    assert during[3] == f"healthz 503 60 {heading}."
    assert during[4] == "doctor found errors"
    assert any(line.startswith(f"error   Writing: {heading}") for line in during[5:])
    assert during[-2:] == ["reads 200", "unchanged available"]
    assert "Traceback" not in result.stderr
    assert after == [
        "log in 200 None Overview",
        "lock 200 None Patch Linux on web-1 for alice: locked.",
        "end 200 None Patch Linux on web-1 for alice: ended or being ended.",
        "healthz 200 None ok",
        "changed canceling",
        "beside available",
    ]
