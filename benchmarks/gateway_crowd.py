"""Measures five hundred connections through one gateway: what they cost while idle, and how fast control reaches them.

It also measures what is lost when the gateway is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet

from benchmarks.gateway_lines import started
from benchmarks.gateway_scene import Scene, Used, crowd_sessions, used
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection
from sessions_app.gateway.recordings.models import Recording, RecordingChunk
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders
from tests.support.programs import MANAGE, ROOT
from tests.support.ssh_scene import database_url

PATIENCE = 60.0  # seconds until something that does not happen is given up


@dataclass(frozen=True, slots=True)
class Reached:
    """How fast control reached all clients."""

    asked: float  # seconds that asking took
    median: float  # from the moment when it was asked for one session until its client saw it
    last: float  # the slowest of them
    confirmed: float  # from the last request until the database says so of all


@dataclass(frozen=True, slots=True)
class Crowd:
    """Many connections, each of its own session of one person."""

    person: User
    sessions: list[PrivilegedSession]
    clients: Clients
    seconds: float  # to connect them all


@dataclass(frozen=True, slots=True)
class Idle:
    """What the connections cost while nobody does anything."""

    kib: float  # memory of the gateway for each
    cpu: float  # share of a core


class Clients:
    """The process of benchmarks.gateway_clients."""

    def __init__(self, scene: Scene, sessions: list[PrivilegedSession]) -> None:
        numbers = [one.pk for one in sessions]
        arguments = [
            str(scene.gateway.port),
            str(scene.directory / "id_crowd"),
            "crowd",
            str(numbers[0]),
            str(numbers[-1]),
        ]
        command = [sys.executable, "-m", "benchmarks.gateway_clients", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        if (said := self._line()) != "ready":
            raise SystemExit(f"The clients did not get in: {said}")

    def seen(self, what: str) -> dict[int, float]:
        """Return for each session when its client was `locked` or `gone`."""
        assert self.process.stdin is not None
        self.process.stdin.write("report\n")
        self.process.stdin.flush()
        return {int(session): moment for session, moment in json.loads(self._line())[what].items()}

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        """Tell the process of the clients to end, and wait 30 seconds at most until it has."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


@contextlib.contextmanager
def crowd(scene: Scene, count: int) -> Iterator[Crowd]:
    """Keep `count` clients connected until the block ends."""
    person, sessions = crowd_sessions(scene, count)
    begin = time.perf_counter()
    clients = Clients(scene, sessions)
    yield Crowd(person, sessions, clients, time.perf_counter() - begin)
    clients.close()
    _until(lambda: not _open(sessions).exists(), "gone")


def idle(scene: Scene, people: Crowd, before: Used, seconds: float) -> Idle:
    """Return what the connections have cost since `before`, when nobody was connected."""
    gateway = scene.gateway.process.pid
    time.sleep(3)  # what the logins left is written
    held = used(gateway)
    time.sleep(seconds)
    return Idle((held.kib - before.kib) / len(people.sessions), (used(gateway).cpu - held.cpu) / seconds)


def unlock_each(people: Crowd) -> None:
    """Unlock all sessions that lock_each() locked."""
    for session in _again(people.sessions):
        unlock(builders.make_admin(), session)
    _until(lambda: not _open(people.sessions).filter(is_frozen=True).exists(), "unlocked")


def _again(sessions: list[PrivilegedSession]) -> list[PrivilegedSession]:
    numbers = [one.pk for one in sessions]
    return list(PrivilegedSession.objects.filter(pk__in=numbers).select_related("user", "profile", "resource"))


def _open(sessions: list[PrivilegedSession]) -> QuerySet[GatewayConnection]:
    return GatewayConnection.objects.open().filter(session__in=[one.pk for one in sessions])


def lock_each(people: Crowd) -> Reached:
    """Lock one session after the other."""
    admin = builders.make_admin()
    return _reached(people, _each(_again(people.sessions), lambda one: lock(admin, one, title="Benchmark lock")))


def terminate_each(people: Crowd) -> Reached:
    """Terminate one session after the other."""
    admin = builders.make_admin()
    return _reached(people, _each(_again(people.sessions), lambda one: terminate(admin, one)), "gone")


def lock_all(people: Crowd) -> Reached:
    """Lock the person's account, which locks all sessions by one request."""
    admin, begin = builders.make_admin(), time.monotonic()
    lock_account(admin, people.person, title="Benchmark lock")
    return _reached(people, (begin, dict.fromkeys([one.pk for one in people.sessions], time.monotonic())))


def _each(
    sessions: list[PrivilegedSession], ask: Callable[[PrivilegedSession], object]
) -> tuple[float, dict[int, float]]:
    """Return when the first request was made, and for each session when its own was made."""
    begin, asked = time.monotonic(), {}
    for session in sessions:
        ask(session)
        asked[session.pk] = time.monotonic()
    return begin, asked


def _reached(people: Crowd, requests: tuple[float, dict[int, float]], what: str = "locked") -> Reached:
    begin, asked = requests
    last = max(asked.values())
    there = _open(people.sessions)
    waited_for = there.filter(is_frozen=False) if what == "locked" else there
    _until(lambda: not waited_for.exists(), "confirmed")
    confirmed = time.monotonic() - last
    _until(lambda: len(people.clients.seen(what)) == len(asked), what)
    # One that was enforced before its request had returned counts as nothing.
    took = [max(0.0, moment - asked[session]) for session, moment in people.clients.seen(what).items()]
    return Reached(last - begin, statistics.median(took), max(took), max(0.0, confirmed))


def _until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"Not {what} in {PATIENCE:.0f} s")
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Killed:
    """What a `kill -9` of the gateway costs."""

    lost: float  # seconds of the recording
    lost_row: float  # seconds until its connection is called lost
    true: float  # seconds until the session says that nobody is logged in


def kill(scene: Scene) -> Killed:
    """Kill the gateway while somebody's program prints the time, with a worker beside it. The gateway is gone then."""
    session = scene.session
    with _worker():
        command = "echo ready; while :; do echo at=$(date +%s.%N); sleep 0.02; done"
        with started(scene.command("gateway", command, tty=True)) as client:
            assert client.stdout is not None
            _until(lambda: _status(session) == Status.LOGGED_IN, "logged in")
            begin, seen = time.monotonic(), b""
            while time.monotonic() - begin < 4:
                seen += os.read(client.stdout.fileno(), 65536)
            scene.gateway.process.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            while part := os.read(client.stdout.fileno(), 65536):
                seen += part
        row = GatewayConnection.objects.filter(session=session).latest("pk")
        chunks = RecordingChunk.objects.filter(recording__connection=row).order_by("number")
        recorded = b"".join(bytes(one) for one in chunks.values_list("data", flat=True))
        _until(lambda: GatewayConnection.objects.get(pk=row.pk).end_reason == ConnectionEnd.LOST, "lost")
        lost_row = time.monotonic() - killed
        _until(lambda: _status(session) == Status.AVAILABLE, "Available again")
        true = time.monotonic() - killed
        _until(lambda: not Recording.objects.filter(connection=row, ended_at=None).exists(), "a closed recording")
    return Killed(_newest(seen) - _newest(recorded), lost_row, true)


def _status(session: PrivilegedSession) -> str:
    return PrivilegedSession.objects.values_list("status", flat=True).get(pk=session.pk)


def _newest(shown: bytes) -> float:
    return max(float(one) for one in re.findall(rb"at=(\d+\.\d{9})", shown))


@contextlib.contextmanager
def _worker() -> Iterator[None]:
    HostWatch.objects.update(began_at=None, ended_at=None)
    environment = os.environ | {"TEST_DATABASE_URL": database_url(connection.settings_dict)}
    process = subprocess.Popen([*MANAGE, "run_worker", "--threads", "4"], env=environment)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
