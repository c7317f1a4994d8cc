"""The host ends by itself what it was given, when the console does not come. Starts a real sshd."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.connectors import Held
from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.hosts.connectors.ssh import host, knock, transport
from sessions_app.hosts.connectors.ssh.inventory import look
from sessions_app.hosts.flows.leftovers import find_leftovers
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import clock, lease, passes, reconcile
from sessions_app.worker.host_recovery import RecoveryWatcher
from tests.support import pages, sshd
from tests.support.machine import ROOT
from tests.support.scene import ask, granted
from tests.support.ssh_scene import database_url, given, prepare, said, worked
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]

# A worker as ever, but for the time that a host waits for it after End.
WORKER = """
import django, threading
django.setup()
from sessions_app.hosts.connectors.ssh import host
from sessions_app.worker import loop
host.MARGIN = 3
loop.run(threading.Event(), interval=0.1, threads=2)
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hosts wait only three seconds for the console instead of a minute."""
    monkeypatch.setattr(host, "MARGIN", 3)


def last_for(seconds: float) -> None:
    ConnectionProfile.objects.update(maximum_duration=dt.timedelta(seconds=seconds))


def notes(session: PrivilegedSession) -> Path:
    return sshd.STATE / f"session-{session.pk}"


def has_ended(session: PrivilegedSession) -> bool:
    return (notes(session) / "ended").exists()


def watchdogs(session: PrivilegedSession) -> list[int]:
    """Return the process numbers of the session's watchdogs on this machine."""
    return [pid for pid, directory in sshd.watchdogs() if directory == str(notes(session))]


def runs(line: str) -> bool:
    return subprocess.run(["pgrep", "-f", f"^{line}$"], capture_output=True, check=False).returncode == 0


def nothing_but_notes(session: PrivilegedSession) -> None:
    wait_until(lambda: watchdogs(session) == [], "the watchdog is gone")
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
    assert len(watchdogs(session)) == 1
    extend(alice, session)
    assert worked(session).controls.get().state == "enforced"
    _, up, _ = (notes(session) / "ends").read_text().split()
    left = int(up) - float(Path("/proc/uptime").read_text().split()[0])
    assert 3600 < left < 3800
    assert len(watchdogs(session)) == 1
    assert server.ssh(session.login_account, key, "true").returncode == 0
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert watchdogs(session) == []
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


def test_a_session_that_its_host_ended_does_not_stay_available_once_the_consoles_clock_is_right(
    server: sshd.Server, alice: User, outsider: User, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "MARGIN", 1)
    prepare(server, alice)
    now, stamp, hour = timezone.now, time.time, dt.timedelta(hours=1)
    watch = clock.ClockWatch(clock.WallClock(wall=lambda: timezone.now().timestamp()))
    with monkeypatch.context() as ahead:
        ahead.setattr(timezone, "now", lambda: now() + hour)
        ahead.setattr(time, "time", lambda: stamp() + hour.total_seconds())
        watch.look()
        other = granted(outsider, resource="web-2")
        last_for(5)
        session = given(alice)
        wait_until(lambda: has_ended(session), "the host ends it by itself")
    reconcile()  # by the time that the wrong clock noted, nothing is to be done for an hour
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE
    watch.look()
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.COMPLETE, said(session)
    assert session.end_reason == "web-1 ended the session by itself before its End here"
    assert LogEntry.objects.filter(verb=Verb.CLOCK_CHANGED, message__contains="put back by 3,600 s").count() == 1
    assert sshd.leftovers() == []
    other.refresh_from_db()
    assert other.status == Status.AVAILABLE


def test_a_host_whose_sshd_stands_still_is_named_and_is_visited_as_soon_as_it_goes_on(
    server: sshd.Server, as_user: Callable[[User], Client], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 3.0)
    monkeypatch.setattr(lease, "SLOW", 0.05)
    prepare(server, alice)
    session, browser = ask(alice), as_user(alice)
    row = PrivilegedSession.objects.filter(pk=session.pk)
    recovery = RecoveryWatcher(threading.Event())

    def one_pass() -> None:
        reconcile()
        connection.close()

    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        worker = threading.Thread(target=one_pass)
        worker.start()
        wait_until(row.exclude(waiting_for="").exists, "the row says what is waited for")
        page = pages.text(pages.elements(browser.get(f"/sessions/{session.pk}/")))
        worker.join()
        assert re.search(r"Waiting for web-1 since [^.]*: it has not answered yet\.", page), page
        session.refresh_from_db()
        assert session.status == Status.PROVISIONING
        assert "web-1 cannot be reached" in session.last_error
        row.update(next_attempt_at=timezone.now() + dt.timedelta(minutes=5))
        monkeypatch.setattr(knock, "SECONDS", 0.3)
        assert recovery.look() == 0
        assert passes.due(timezone.now()) == []
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    monkeypatch.setattr(knock, "SECONDS", 5.0)
    assert recovery.look() == 1
    assert passes.due(timezone.now()) == [session.pk]
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 10.0)
    reconcile()
    session.refresh_from_db()
    assert (session.status, session.waiting_for) == (Status.AVAILABLE, "")
    assert "Waiting for" not in pages.text(pages.elements(browser.get(f"/sessions/{session.pk}/")))


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
    assert len(watchdogs(session)) == 1
    end(alice, session)
    assert worked(session).status == Status.CANCELING
    mark.mkdir()
    assert worked(session).status == Status.COMPLETE
    assert watchdogs(session) == []


def test_a_watchdog_that_was_killed_is_back_at_the_next_look(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    session = given(alice)
    [watchdog] = watchdogs(session)
    os.kill(watchdog, signal.SIGKILL)
    wait_until(lambda: watchdogs(session) == [], "it is dead")
    # As after a reboot, which nothing but the notes outlives: the clock counts.
    (notes(session) / "ends").write_text(f"another-boot 0 {int(time.time()) + 1}\n")
    worked(session)
    wait_until(lambda: has_ended(session), "the new watchdog ends it")
    nothing_but_notes(session)
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert sshd.leftovers() == []


def test_a_watchdog_is_not_taken_for_another_process_of_the_same_number(
    server: sshd.Server, alice: User, key: Path
) -> None:
    prepare(server, alice)
    session = given(alice)
    [watchdog] = watchdogs(session)
    os.kill(watchdog, signal.SIGKILL)
    wait_until(lambda: watchdogs(session) == [], "it is dead")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        (notes(session) / "watchdog_process").write_text(f"{other.pid} 1\n")
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
    [watchdog] = watchdogs(session)
    assert Held(session.pk, f"watchdog, process {watchdog}") in look(resource)
    assert find_leftovers(resource) == []
