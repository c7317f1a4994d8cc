"""Causes trouble: killed processes, a full disk, a read-only or busy database, a host that is away or has another key.

Each kind of trouble ends by itself and repairs what it broke. Meanwhile an administrator controls sessions.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
from django.contrib.auth.models import User
from django.db import connection

from benchmarks.hosts import Machine
from benchmarks.soak.installation import Installation
from benchmarks.soak.people import persistently
from sessions_app.errors import Refused
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.lifecycle import LifecycleError
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession
from tests.support.sshd import make_key

AWAY_SECONDS = 180.0  # of a host, during take-away
SHORT = 12.0  # seconds of a full disk, a read-only or a busy database
OTHER_KEY_SECONDS = 40.0


@dataclass
class World:
    """Everything that the kinds of trouble break."""

    installation: Installation
    machines: list[Machine]
    disk: Path
    admin: User
    database_url: str  # of PostgreSQL; empty on SQLite
    stop: threading.Event
    random: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    background: list[threading.Thread] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        """Wait for some seconds, or until the trial is over."""
        self.stop.wait(seconds)


def kill_worker(world: World) -> None:
    """Kill the worker outright."""
    world.installation.kill("worker")


def kill_gateway(world: World) -> None:
    """Kill the gateway outright, with all its connections."""
    world.installation.kill("gateway")


def kill_web(world: World) -> None:
    """Kill the web process outright, twice within five seconds."""
    world.installation.kill("web")
    world.pause(3)
    world.installation.kill("web")


def kill_sshd(world: World) -> None:
    """Kill the process of a host's sshd that listens; its connections live on."""
    world.random.choice(world.machines).run("pkill -KILL -o -x sshd || true")


def cut_host(world: World) -> None:
    """Kill every process of sshd on one host, and with them every connection to it."""
    world.random.choice(world.machines).run("pkill -KILL -x sshd || true")


def host_away(world: World) -> None:
    """Let a host be away for three minutes, from the moment when rights are to be taken away there."""
    world.background[:] = [thread for thread in world.background if thread.is_alive()]
    if not world.background:
        thread = threading.Thread(target=_be_away, args=(world,), name="host-away")
        world.background.append(thread)
        thread.start()


def _be_away(world: World) -> None:
    number = world.random.randrange(len(world.machines))
    machine = world.machines[number]
    away = machine.path("/run/host/away")
    sessions = PrivilegedSession.objects.filter(resource__name=f"host-{number}", status__in=HOLDS_GRANT)
    try:
        for session in persistently(lambda: list(sessions)):
            with contextlib.suppress(Refused, LifecycleError):
                persistently(partial(end, world.admin, session))
        away.touch()
        machine.run("pkill -KILL -x sshd || true")
        world.pause(AWAY_SECONDS)
    finally:
        away.unlink(missing_ok=True)
        connection.close()


def other_key(world: World) -> None:
    """Let a host answer with another host key for a while, as one that was installed anew or is somebody else's."""
    machine = world.random.choice(world.machines)
    there = machine.path("/run/host")
    new = there / "other_key"
    make_key(new)
    machine.run("cd /run/host; cp -a host_key good; cp -a host_key.pub good.pub; cp other_key host_key")
    machine.run("pkill -KILL -x sshd || true")
    try:
        world.pause(OTHER_KEY_SECONDS)
    finally:
        machine.run("cd /run/host; mv good host_key; mv good.pub host_key.pub; rm other_key other_key.pub")
        machine.run("pkill -KILL -x sshd || true")


def disk_full(world: World) -> None:
    """Fill the disk of the console."""
    filler = world.disk / "filler"
    try:
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(b"\0" * 1_000_000)
                file.flush()
        world.pause(SHORT)
    finally:
        filler.unlink(missing_ok=True)


def read_only(world: World) -> None:
    """Let the database refuse every change."""
    with _read_only_postgresql(world) if world.database_url else _read_only_sqlite(world):
        world.pause(SHORT)


@contextlib.contextmanager
def _read_only_sqlite(world: World) -> Iterator[None]:
    # Not the -shm file: SQLite maps it, and a write to a mapped file that may not change kills the process (SIGBUS).
    names = ("sessionadmin.sqlite3", "sessionadmin.sqlite3-wal")
    files = [str(world.disk / name) for name in names]
    subprocess.run(["chattr", "+i", *files], check=False, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *files], check=False, capture_output=True)


@contextlib.contextmanager
def _read_only_postgresql(world: World) -> Iterator[None]:
    def switch(value: str) -> None:
        with psycopg.connect(world.database_url, autocommit=True) as here:
            name = psycopg.sql.Identifier(here.info.dbname)
            setting = psycopg.sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
            here.execute("SET default_transaction_read_only = off")
            here.execute(setting.format(name, psycopg.sql.Literal(value)))
            here.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    switch("on")
    try:
        yield
    finally:
        switch("off")


def busy_database(world: World) -> None:
    """Hold the write lock of SQLite, or lock the table of sessions on PostgreSQL, as a long transaction would."""
    if world.database_url:
        with psycopg.connect(world.database_url) as here:
            here.execute("LOCK TABLE sessions_app_privilegedsession IN EXCLUSIVE MODE")
            world.pause(SHORT)
        return
    file = world.disk / "sessionadmin.sqlite3"
    with (
        contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=5)) as here,
        contextlib.suppress(sqlite3.OperationalError),
    ):
        here.execute("BEGIN IMMEDIATE")
        world.pause(SHORT)
        here.execute("ROLLBACK")


KINDS: tuple[tuple[Callable[[World], None], int], ...] = (
    (kill_worker, 4),
    (kill_gateway, 3),
    (kill_web, 2),
    (kill_sshd, 2),
    (cut_host, 2),
    (host_away, 1),
    (other_key, 1),
    (disk_full, 1),
    (read_only, 1),
    (busy_database, 1),
)


def make_trouble(world: World) -> None:
    """Cause one kind of trouble after the other, at random, until the trial is over."""
    try:
        while not world.stop.is_set():
            [kind] = world.random.choices([one for one, _ in KINDS], [weight for _, weight in KINDS])
            world.counts[kind.__name__] += 1
            print(f"{time.strftime('%H:%M:%S')} {kind.__name__}", flush=True)
            kind(world)
            world.pause(world.random.uniform(2, 10))
    finally:
        for thread in world.background:
            thread.join()
        connection.close()


def administrate(world: World) -> None:
    """Lock, unlock, extend and terminate open sessions at random, as administrators do."""

    def lock_for_a_while(session: PrivilegedSession) -> None:
        persistently(lambda: lock(world.admin, session, title="Trial", message="A moment, please."))
        world.pause(4)
        persistently(lambda: unlock(world.admin, session))

    verbs: tuple[Callable[[PrivilegedSession], None], ...] = (
        lock_for_a_while,
        lambda session: persistently(lambda: extend(world.admin, session)),
        lambda session: persistently(lambda: terminate(world.admin, session, cancel=world.random.random() < 0.5)),
    )
    try:
        while not world.stop.is_set():
            world.pause(world.random.uniform(3, 12))
            open_ones = persistently(lambda: list(PrivilegedSession.objects.filter(status__in=HOLDS_GRANT)))
            if open_ones:
                with contextlib.suppress(Refused, LifecycleError):  # it ended meanwhile
                    world.random.choice(verbs)(world.random.choice(open_ones))
                    world.counts["administrator's verb"] += 1
    finally:
        connection.close()
