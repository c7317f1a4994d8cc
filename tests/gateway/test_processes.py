"""Several real gateways with real clients and a real host: control reaches each, one may stop, one may die."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection

from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection, GatewayHeartbeat
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, gateway
from tests.support.gateway import Gateway
from tests.support.machine import ROOT
from tests.support.programs import free_port
from tests.support.ssh_scene import database_url, given, host_server, prepare
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def admin(transactional_db: None) -> User:
    return builders.make_admin()


@pytest.fixture
def session(tmp_path: Path, alice: User, key: Path) -> Iterator[PrivilegedSession]:
    with host_server(tmp_path) as server:
        prepare(server, alice)
        yield given(alice)


class Client:
    """One `ssh -tt` that runs `cat` on the host."""

    def __init__(self, through: Gateway, key: Path, output: Path) -> None:
        self.output = output
        command = through.client("alice=web-1", key, "stty -echo; echo ready; cat", more=["-tt"])
        with output.open("wb") as sink:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sink, stderr=sink)
        wait_until(lambda: "ready" in self.shown(), "the command runs on the host")

    def shown(self) -> str:
        return self.output.read_text(errors="replace")

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def is_gone(self) -> bool:
        return self.process.poll() is not None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def clients_on_each(gateways: list[Gateway], key: Path, tmp_path: Path) -> Iterator[dict[str, list[Client]]]:
    """Connect clients until each gateway has one. Yield them by their gateway."""
    taken: dict[str, list[Client]] = {}
    try:
        for number in range(60):
            client = Client(gateways[0], key, tmp_path / f"client-{number}")
            taken.setdefault(GatewayConnection.objects.order_by("-pk")[0].gateway, []).append(client)
            if len(taken) == len(gateways):
                break
        assert len(taken) == len(gateways), "one port was not shared"
        yield taken
    finally:
        for client in (each for group in taken.values() for each in group):
            client.close()


@contextlib.contextmanager
def working(tmp_path: Path) -> Iterator[None]:
    """Run a worker process."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.test",
        "TEST_DATABASE_URL": database_url(connection.settings_dict),
        "TEST_VAR_DIR": str(tmp_path),
    }
    command = [sys.executable, str(ROOT / "manage.py"), "run_worker", "--interval", "0.2", "--threads", "4"]
    process = subprocess.Popen(command, env=environment)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def is_on_the_host(session: PrivilegedSession) -> bool:
    return bool(HostWatch.objects.get().found.get(str(session.pk), {}).get("is_logged_on"))


def status(session: PrivilegedSession) -> str:
    return PrivilegedSession.objects.values_list("status", flat=True).get(pk=session.pk)


def test_two_on_one_port_each_enforce_and_one_that_stops_leaves_the_other(
    admin: User, session: PrivilegedSession, key: Path, tmp_path: Path
) -> None:
    port = str(free_port())
    with (
        gateway.serving(tmp_path / "one", "--port", port, "--drain-seconds", "1") as one,
        gateway.serving(tmp_path / "two", "--port", port) as two,
        clients_on_each([one, two], key, tmp_path) as taken,
    ):
        everybody = [client for group in taken.values() for client in group]
        session.refresh_from_db()
        lock(admin, session, title="Stop now")
        asked = session.controls.get().pk
        mine = GatewayConnection.objects.filter(session=session)
        wait_until(lambda: mine.filter(confirmed_control=asked, is_frozen=True).count() == len(everybody), "confirmed")
        wait_until(lambda: all("Stop now" in each.shown() for each in everybody), "everybody sees it")
        for client in everybody:
            client.type("typed while locked")
        unlock(admin, session)
        wait_until(lambda: not mine.filter(is_frozen=True).exists(), "unlocked")
        for client in everybody:
            client.type("typed after it")
        wait_until(lambda: all("typed after it" in each.shown() for each in everybody), "everybody goes on")
        assert not any("typed while locked" in each.shown() for each in everybody)

        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(30) == 0, one.printed()
        (left,) = GatewayHeartbeat.objects.all()
        stopped, going_on = (
            [each for owner, group in taken.items() if (owner == left.owner) is is_left for each in group]
            for is_left in (False, True)
        )
        wait_until(lambda: all(each.is_gone() for each in stopped), "its people are gone")
        assert all("This gateway stops in 1 seconds" in each.shown() for each in stopped)
        assert set(mine.exclude(gateway=left.owner).values_list("end_reason", flat=True)) == {ConnectionEnd.DRAINED}
        late = Client(two, key, tmp_path / "late")
        try:
            terminate(admin, session)
            wait_until(lambda: all(each.is_gone() for each in [*going_on, late]), "the others are cut")
        finally:
            late.close()
        wait_until(lambda: not mine.filter(ended_at=None).exists(), "it is noted")
        assert set(mine.filter(gateway=left.owner).values_list("end_reason", flat=True)) == {ConnectionEnd.TERMINATED}


def test_one_that_is_killed_leaves_sessions_that_say_what_is_true(
    session: PrivilegedSession, key: Path, tmp_path: Path
) -> None:
    ConnectionProfile.objects.update(logon_monitor_interval=600)  # what a host said counts for long
    with gateway.serving(tmp_path / "one") as one, working(tmp_path):
        client = Client(one, key, tmp_path / "client")
        try:
            wait_until(lambda: status(session) == Status.LOGGED_IN, "the person is logged in")
            PrivilegedSession.objects.update(next_monitor_at=None)
            wait_until(lambda: is_on_the_host(session), "the host says so too")
            assert status(session) == Status.LOGGED_IN
            one.process.kill()
            wait_until(lambda: status(session) == Status.AVAILABLE, "nobody is logged in")
        finally:
            client.close()
        assert GatewayConnection.objects.get().end_reason == ConnectionEnd.LOST
