"""The host ends by itself what it was given, when the console does not come. Starts a real sshd."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection

from sessions_app.connectors.ssh import host
from sessions_app.connectors.ssh.inventory import Found, look
from sessions_app.flows.end import end
from sessions_app.flows.extend import extend
from sessions_app.flows.leftovers import find_leftovers
from sessions_app.models import ConnectionProfile, PrivilegedSession, Status
from tests import sshd
from tests.machine import ROOT
from tests.programs import wait_until
from tests.scene import ask
from tests.ssh_scene import database_url, given, host_server, prepare, register_key, said, worked

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]

# A worker as ever, but for the time that a host waits for it after End.
WORKER = """
import django, threading
django.setup()
from sessions_app.connectors.ssh import host
from sessions_app.worker import loop
host.MARGIN = 3
loop.run(threading.Event(), interval=0.1, threads=2)
"""


@pytest.fixture
def server(tmp_path: Path, transactional_db: None) -> Iterator[sshd.Server]:
    with host_server(tmp_path) as running:
        yield running


@pytest.fixture
def key(tmp_path: Path, alice: User) -> Path:
    return register_key(alice, tmp_path / "id_alice")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts wait three seconds for the console, not a minute."""
    monkeypatch.setattr(host, "MARGIN", 3)


def last_for(seconds: float) -> None:
    ConnectionProfile.objects.update(maximum_duration=dt.timedelta(seconds=seconds))


def notes(session: PrivilegedSession) -> Path:
    return sshd.STATE / f"session-{session.pk}"


def has_ended(session: PrivilegedSession) -> bool:
    return (notes(session) / "ended").exists()


def guards(session: PrivilegedSession) -> list[int]:
    """Process numbers of what guards the session on this machine."""
    return [pid for pid, directory in sshd.guards() if directory == str(notes(session))]


def runs(line: str) -> bool:
    return subprocess.run(["pgrep", "-f", f"^{line}$"], capture_output=True, check=False).returncode == 0


def nothing_but_notes(session: PrivilegedSession) -> None:
    wait_until(lambda: guards(session) == [], "the guard is gone")
    assert sshd.leftovers() == [str(notes(session))]


def test_with_the_worker_dead_the_host_alone_ends_everything(
    server: sshd.Server, alice: User, key: Path, tmp_path: Path
) -> None:
    prepare(server, alice)
    last_for(10)
    session = ask(alice)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_DATABASE_URL": database_url(connection.settings_dict),
    }
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen([sys.executable, "-c", WORKER], env=environment, cwd=ROOT, stderr=log)
    try:
        wait_until(lambda: PrivilegedSession.objects.get(pk=session.pk).status == Status.AVAILABLE, "rights are given")
    finally:
        worker.kill()
    assert worker.wait(10) == -signal.SIGKILL
    account = session.login_account
    left = "setsid nohup sleep 4721 >/dev/null 2>&1 & sudo -n setsid nohup sleep 4722 >/dev/null 2>&1 & sleep 0.3"
    assert server.ssh(account, key, left).returncode == 0
    client = subprocess.Popen(server.client(account, key, "echo in; sleep 4723"), stdout=subprocess.PIPE)
    assert client.stdout is not None
    assert client.stdout.readline() == b"in\n"
    assert runs("sleep 4721")
    assert runs("sleep 4722")
    wait_until(lambda: has_ended(session), "the host ends it by itself")
    assert client.wait(10) != 0
    assert not any(runs(f"sleep 472{number}") for number in (1, 2, 3))
    nothing_but_notes(session)
    assert server.ssh(account, key, "true").returncode == 255
    PrivilegedSession.objects.filter(pk=session.pk).update(lease="", lease_until=None)
    for _ in range(2):
        worked(session)
        session.refresh_from_db()
    assert session.status == Status.COMPLETE
    assert any("web-1 ended it by itself at" in line for line in said(session))
    assert sshd.leftovers() == []


def test_an_extension_moves_it_and_the_end_stops_it(
    server: sshd.Server, alice: User, key: Path, impatient: None
) -> None:
    prepare(server, alice)
    ConnectionProfile.objects.update(extension_limit=1, extension_by=dt.timedelta(hours=1))
    last_for(120)
    session = given(alice)
    assert len(guards(session)) == 1
    extend(alice, session)
    assert worked(session).controls.get().state == "enforced"
    _, up, _ = (notes(session) / "ends").read_text().split()
    left = int(up) - float(Path("/proc/uptime").read_text().split()[0])
    assert 3600 < left < 3800
    assert len(guards(session)) == 1
    assert server.ssh(session.login_account, key, "true").returncode == 0
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert guards(session) == []
    assert sshd.leftovers() == []


def test_a_session_whose_extension_comes_after_the_host_is_over(
    server: sshd.Server, alice: User, key: Path, impatient: None
) -> None:
    prepare(server, alice)
    ConnectionProfile.objects.update(extension_limit=1, extension_by=dt.timedelta(hours=1))
    last_for(5)
    session = given(alice)
    extend(alice, session)
    wait_until(lambda: has_ended(session), "the host ends it by itself")
    worked(session)
    assert "had ended this session by itself" in session.controls.get().last_error
    assert session.end_reason == "web-1 ended the session by itself before its End here"
    assert worked(session).status == Status.COMPLETE
    assert sshd.leftovers() == []


def test_an_administrators_commands_are_undone_by_the_host_once(
    server: sshd.Server, alice: User, tmp_path: Path, impatient: None
) -> None:
    mark = tmp_path / "it's a mark"
    prepare(
        server,
        alice,
        kind="commands",
        login_account_template="satest-none",
        grant_actions=f'/usr/bin/mkdir -p "{mark}"',
        remove_actions=f'/bin/rmdir "{mark}"',  # fails when it is done twice
    )
    last_for(2)
    session = given(alice)
    assert mark.exists()
    wait_until(lambda: has_ended(session), "the host ends it by itself")
    assert not mark.exists()
    end(alice, session)
    assert worked(session).status == Status.COMPLETE, said(session)
    assert sshd.leftovers() == []


def test_what_the_host_cannot_take_away_at_once_it_tries_again(
    server: sshd.Server, alice: User, tmp_path: Path, impatient: None
) -> None:
    mark = tmp_path / "mark"
    prepare(
        server,
        alice,
        kind="commands",
        login_account_template="satest-none",
        grant_actions="/bin/true",
        remove_actions=f"/usr/bin/rmdir {mark}",
    )
    last_for(1)
    session = given(alice)
    first = (notes(session) / "ends").read_text()
    wait_until(lambda: (notes(session) / "ends").read_text() != first, "it failed and waits")
    assert not has_ended(session)
    assert len(guards(session)) == 1
    end(alice, session)
    assert worked(session).status == Status.CANCELING
    mark.mkdir()
    assert worked(session).status == Status.COMPLETE
    assert guards(session) == []


def test_a_guard_that_was_killed_is_back_at_the_next_look(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    session = given(alice)
    [guard] = guards(session)
    os.kill(guard, signal.SIGKILL)
    wait_until(lambda: guards(session) == [], "it is dead")
    # As after a reboot, which nothing but the notes outlives: the clock counts.
    (notes(session) / "ends").write_text(f"another-boot 0 {int(time.time()) + 1}\n")
    worked(session)
    wait_until(lambda: has_ended(session), "the new guard ends it")
    nothing_but_notes(session)
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert sshd.leftovers() == []


def test_a_guard_is_not_taken_for_another_process_of_the_same_number(
    server: sshd.Server, alice: User, key: Path
) -> None:
    prepare(server, alice)
    session = given(alice)
    [guard] = guards(session)
    os.kill(guard, signal.SIGKILL)
    wait_until(lambda: guards(session) == [], "it is dead")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        (notes(session) / "guarded").write_text(f"{other.pid} 1\n")
        end(alice, session)
        assert worked(session).status == Status.COMPLETE
        assert other.poll() is None
        other.kill()
    assert sshd.leftovers() == []


def test_it_is_listed_with_what_the_session_has_on_the_host_and_is_no_leftover(
    server: sshd.Server, alice: User, key: Path
) -> None:
    resource = prepare(server, alice)
    session = given(alice)
    [guard] = guards(session)
    assert Found(session.pk, f"guard, process {guard}") in look(resource)
    assert find_leftovers(resource) == []
