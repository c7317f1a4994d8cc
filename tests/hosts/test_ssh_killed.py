"""A worker that is killed before or after any step on a real host leaves nothing there: another one goes on."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import ControlKind, PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import sshd
from tests.support.machine import ROOT
from tests.support.scene import ask
from tests.support.ssh_scene import database_url, given, prepare, register_key, worked

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]

# Starts once, then forks a worker for each line that it reads: the step at which that one dies.
WORKERS = """
import os, sys, traceback
import django
django.setup()
from sessions_app.worker import reconcile
from tests.support import faults
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        faults.die_at(int(line))
        try:
            reconcile()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
SIGKILLED = -9
OnePass = Callable[[int], int]


@pytest.fixture
def one_pass(transactional_db: None) -> Iterator[OnePass]:
    """Return a function that runs a worker process, lets it die at the given point, and returns its exit code."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_DATABASE_URL": database_url(connection.settings_dict),
    }
    command = [sys.executable, "-c", WORKERS]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as workers:

        def run(fault: int) -> int:
            assert workers.stdin is not None
            assert workers.stdout is not None
            PrivilegedSession.objects.update(next_monitor_at=None, next_attempt_at=None, lease="", lease_until=None)
            HostWatch.objects.update(began_at=None, ended_at=None)
            print(fault, file=workers.stdin, flush=True)
            ended = int(workers.stdout.readline())
            assert ended in (0, SIGKILLED)
            return ended

        yield run


def finished(session: PrivilegedSession) -> None:
    """Let other workers go on until the session has ended. Check that nothing is left on the host."""
    for _ in range(4):
        PrivilegedSession.objects.filter(pk=session.pk).update(
            lease="", lease_until=None, next_attempt_at=None, next_monitor_at=None
        )
        reconcile()
        session.refresh_from_db()
        if session.is_ended:
            break
    assert session.status == Status.COMPLETE, session.last_error
    assert sshd.leftovers() == []


def test_killed_at_every_step_of_giving(server: sshd.Server, one_pass: OnePass, alice: User, tmp_path: Path) -> None:
    prepare(server, alice)
    register_key(alice, tmp_path / "id_alice")
    killed = 0
    for fault in range(1, 60):
        session = ask(alice)
        if one_pass(fault) != SIGKILLED:
            break
        killed += 1
        session.refresh_from_db()
        assert session.status == Status.PROVISIONING or session.start_at
        end(alice, session)
        finished(session)
    assert killed >= 8  # note, make, sudo, keys: before and after each
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE
    end(alice, session)
    finished(session)


def test_killed_at_every_step_of_taking_away(
    server: sshd.Server, one_pass: OnePass, alice: User, tmp_path: Path
) -> None:
    prepare(server, alice)
    key = register_key(alice, tmp_path / "id_alice")
    killed = 0
    for fault in range(1, 60):
        session = given(alice)
        assert server.ssh(session.login_account, key, "setsid nohup sleep 4713 >/dev/null 2>&1 &").returncode == 0
        end(alice, session)
        was_killed = one_pass(fault) == SIGKILLED
        finished(session)
        if not was_killed:
            break
        killed += 1
    assert killed >= 12


def test_given_again_after_a_kill_in_the_middle_it_works_as_ever(
    server: sshd.Server, one_pass: OnePass, alice: User, tmp_path: Path
) -> None:
    prepare(server, alice)
    key = register_key(alice, tmp_path / "id_alice")
    for fault in (3, 4, 6, 8):
        session = ask(alice)
        assert one_pass(fault) == SIGKILLED
        PrivilegedSession.objects.filter(pk=session.pk).update(lease="", lease_until=timezone.now())
        assert worked(session).status == Status.AVAILABLE
        assert server.ssh(session.login_account, key, "sudo -n id -u").stdout.strip() == "0"
        end(alice, session)
        finished(session)


def expiry(account: str) -> int:
    """Return the first day on which the host refuses the account, in days since 1970."""
    line = subprocess.run(["getent", "shadow", account], capture_output=True, text=True, check=True).stdout
    return int(line.split(":")[7])


def in_force(session: PrivilegedSession, kind: ControlKind) -> None:
    """Let another worker go on, and check that the newest control is confirmed."""
    PrivilegedSession.objects.filter(pk=session.pk).update(lease="", lease_until=None)
    assert worked(session).controls.latest("pk").kind == kind
    assert {one.state for one in session.controls.all()} == {"enforced"}


def test_killed_at_every_step_of_lock_unlock_and_extension(
    server: sshd.Server, one_pass: OnePass, alice: User, admin: User, tmp_path: Path
) -> None:
    prepare(server, alice)
    ConnectionProfile.objects.update(extension_limit=20, extension_by=dt.timedelta(days=1))
    key = register_key(alice, tmp_path / "id_alice")
    session = given(alice)
    account = session.login_account
    assert server.ssh(account, key, "setsid nohup sleep 4714 >/dev/null 2>&1 &").returncode == 0
    for fault in (1, 2, 3):  # before the step, after it, and after it was confirmed
        lock(admin, session, title="Stand back")
        assert one_pass(fault) == SIGKILLED
        in_force(session, ControlKind.LOCK)
        assert session.status == Status.LOCKED
        assert {line[0] for line in sshd.processes_of(account)} == {"T"}
        assert server.ssh(account, key, "true").returncode == 255

        unlock(admin, session)
        assert one_pass(fault) == SIGKILLED
        in_force(session, ControlKind.UNLOCK)
        assert session.status == Status.AVAILABLE
        assert "T" not in {line[0] for line in sshd.processes_of(account)}
        assert server.ssh(account, key, "sudo -n id -u").stdout.strip() == "0"

        day = expiry(account)
        extend(alice, session)
        assert one_pass(fault) == SIGKILLED
        in_force(session, ControlKind.EXTEND)
        assert expiry(account) == day + 1
    assert len(sshd.processes_of(account)) == 1
    end(alice, session)
    finished(session)
