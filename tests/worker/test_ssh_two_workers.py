"""Two worker processes on one database and one real host: each session is given once, and taken away once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker.models import WorkerHeartbeat
from tests.support import builders, sshd
from tests.support.machine import ROOT
from tests.support.scene import ask
from tests.support.ssh_scene import database_url, prepare, register_key, said
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.postgres_only, pytest.mark.django_db(transaction=True)]

PEOPLE = 8
INTERVAL = 5  # seconds between two looks at who is logged on
IN_ONE_LOOK = 2  # commands: who is on, and what the host's log says


@contextlib.contextmanager
def workers(tmp_path: Path, count: int) -> Iterator[None]:
    """Run `count` worker processes, and stop them properly afterwards."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_DATABASE_URL": database_url(connection.settings_dict),
        "TEST_VAR_DIR": str(tmp_path),
    }
    command = [sys.executable, str(ROOT / "manage.py"), "run_worker", "--interval", "0.1", "--threads", "4"]
    processes = [subprocess.Popen(command, env=environment) for _ in range(count)]
    try:
        wait_until(lambda: WorkerHeartbeat.objects.count() == count, "the workers are running")
        yield
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(30) for process in processes] == [0] * count
    finally:
        for process in processes:
            process.kill()
            process.wait()


def have(sessions: list[PrivilegedSession], status: Status) -> bool:
    found = PrivilegedSession.objects.filter(pk__in=[session.pk for session in sessions], status=status)
    return found.count() == len(sessions)


def looked_at_once_an_interval(server: sshd.Server) -> None:
    """Check that both workers together run only one check of all sessions in each interval."""
    seen = HostWatch.objects.get().began_at
    wait_until(lambda: HostWatch.objects.get().began_at != seen, "a look of all")
    began, before = HostWatch.objects.get().began_at, commands(server)
    assert began is not None
    wait_until(lambda: commands(server) >= before + 2 * IN_ONE_LOOK, "two more looks")
    ran = commands(server) - before
    most = (timezone.now() - began).total_seconds() / INTERVAL + 1  # the one that had just begun
    assert ran <= most * IN_ONE_LOOK


def commands(server: sshd.Server) -> int:
    """Return how many commands ran on the host as the service account."""
    return server.printed().count("Starting session: command for root")


def test_each_session_is_given_once_and_taken_away_once(
    server: sshd.Server, alice: User, admin: User, tmp_path: Path
) -> None:
    prepare(server, alice)
    ConnectionProfile.objects.update(logon_monitor_interval=INTERVAL)
    policy = alice.access_policies.get()
    people = [alice, *(builders.make_user(f"user{number}") for number in range(PEOPLE - 1))]
    policy.users.set(people)
    for person in people:
        register_key(person, tmp_path / f"id_{person.username}")
    with workers(tmp_path, 2):
        sessions = [ask(person) for person in people]
        wait_until(lambda: have(sessions, Status.AVAILABLE), "all are available")
        for session in sessions:
            session.refresh_from_db()
        assert sorted(sshd.accounts()) == sorted(session.login_account for session in sessions)
        signed = LogEntry.objects.filter(verb=Verb.CERTIFICATE_SIGNED, message__contains="sessionadmin/service")
        assert signed.count() == 2  # each worker has a key of its own, so both were there
        looked_at_once_an_interval(server)

        locked, ended, cut = sessions[:2], sessions[2:6], sessions[6:]
        for session in locked:
            lock(admin, session, title="Stand back")
        for session in ended:
            end(session.user, session)
        for session in cut:
            terminate(admin, session)
        wait_until(lambda: have(ended, Status.COMPLETE) and have(cut, Status.CANCELED), "six are over")
        wait_until(lambda: all(session.controls.get().state == "enforced" for session in locked), "two are locked")
        assert sorted(sshd.accounts()) == sorted(session.login_account for session in locked)
        for session in locked:
            session.refresh_from_db()
            terminate(admin, session)
        wait_until(lambda: have(locked, Status.CANCELED), "all are over")
    assert sshd.leftovers() == []
    for session in sessions:
        lines = said(session)
        assert [line for line, times in Counter(lines).items() if times > 1] == []
        assert sum("Make the account" in line for line in lines) == 1
        assert sum("Remove the account" in line for line in lines) == 1
        assert sum(line.startswith("All rights are taken away") for line in lines) == 1
