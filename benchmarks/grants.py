"""Measure how long it takes to give and remove the rights of 200 sessions on 20 hosts, also while one host is dead.

    make bench-grants                                            as root, where sshd, sudo and visudo are
    make bench-grants ARGS="--hosts 5 --sessions 50 --rounds 4"
    python -m benchmarks.grants --database-url postgresql://...  another database; it makes and removes test_NAME

Each host is an OpenSSH server with accounts and processes of its own (hosts.py), apart from those of this machine. Each
session creates an account with a sudo rule and removes it again. Every second round has a dead host in addition, with
as many sessions as each of the others. It accepts connections and never answers. The other hosts should not become
slower because of it.

The time of a session begins when all sessions are requested at once, so it is mostly the time that the session waits
for its turn. Nothing is asserted. The database is always removed at the end.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import datetime as dt
import logging
import os
import shutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


def read_options() -> argparse.Namespace:
    """Return the options of the command line. They say which database, so they are read before Django is set up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=20, help="that live (default: %(default)s)")
    parser.add_argument("--sessions", type=int, default=200, help="spread evenly over them (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="of each kind, in turn (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=16, help="of the worker (default: %(default)s)")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds for each phase (default: %(default)s)")
    parser.add_argument("--database-url", default="", help="a PostgreSQL server to use instead of an SQLite file")
    return parser.parse_args()


OPTIONS = read_options()
os.environ["DJANGO_SETTINGS_MODULE"] = "sessionadmin.settings.test"
os.environ["TEST_VAR_DIR"] = tempfile.mkdtemp(prefix="sessionadmin-bench-")
atexit.register(shutil.rmtree, os.environ["TEST_VAR_DIR"], ignore_errors=True)
if OPTIONS.database_url:
    os.environ["TEST_DATABASE_URL"] = OPTIONS.database_url

import django  # noqa: E402 - after the settings are chosen

django.setup()

from django.db import connection  # noqa: E402 - once Django is set up
from django.utils import timezone  # noqa: E402 - once Django is set up

from benchmarks.hosts import Machine, machines  # noqa: E402 - once Django is set up
from sessions_app.catalogue.models import AccountKind, Resource  # noqa: E402 - once Django is set up
from sessions_app.hosts.connectors.ssh.connection_pool import CONNECTION_POOL  # noqa: E402 - once Django is set up
from sessions_app.hosts.ssh import ca  # noqa: E402 - once Django is set up
from sessions_app.privileged.flows.end import end  # noqa: E402 - once Django is set up
from sessions_app.privileged.models import PrivilegedSession, Status  # noqa: E402 - once Django is set up
from sessions_app.worker import loop  # noqa: E402 - once Django is set up
from tests.support import builders  # noqa: E402 - once Django is set up
from tests.support.ssh_scene import RULE, forget, register_key  # noqa: E402 - once Django is set up


@dataclass
class Phase:
    """The times of one phase of one round, for the sessions on the hosts that answer."""

    seconds: list[float]  # of each session
    worker: float  # CPU seconds of this process
    hosts: float  # CPU seconds of the living hosts

    @property
    def whole(self) -> float:
        """Return the seconds until the last session was done."""
        return max(self.seconds, default=0.0)


@dataclass
class Figures:
    """The phases of all rounds of one kind."""

    give: list[Phase] = field(default_factory=list)
    take: list[Phase] = field(default_factory=list)


@contextlib.contextmanager
def dead_port() -> Iterator[int]:
    """Yield a port on which connections are accepted but nobody ever answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield int(listening.getsockname()[1])


def make_host(name: str, port: int, host_key: str) -> Resource:
    """Create the resource for the server on `port`."""
    return builders.make_resource(
        name, address="127.0.0.1", port=port, connector="ssh", service_account="root", host_key=host_key
    )


def make_sessions(hosts: list[Resource], each: int) -> list[int]:
    """Create `each` sessions on each host, which are to be provisioned. The hosts take turns."""
    activity = builders.make_activity("Benchmark")
    person = builders.make_user("bench")
    made = []
    for _ in range(each):
        for host in hosts:
            session = builders.make_session(person, Status.PROVISIONING, resource=host, activity=activity)
            session.login_account = f"satest-{session.pk}"
            session.save(update_fields=["login_account"])
            made.append(session.pk)
    return made


def wait_for(statuses: set[Status], sessions: list[int]) -> None:
    """Wait until all sessions have one of the statuses. If that takes too long, print a warning and return."""
    begin = time.perf_counter()
    waiting = PrivilegedSession.objects.filter(pk__in=sessions).exclude(status__in=statuses)
    while waiting.exists():
        if time.perf_counter() - begin > OPTIONS.patience:
            one = waiting.order_by("pk")[0]
            print(f"  {waiting.count()} of {len(sessions)} did not get there in {OPTIONS.patience:.0f} s, for instance")
            print(f"  session {one.pk} on {one.resource_name}: {one.status}, {one.last_error or one.end_reason}")
            break
        time.sleep(0.1)


@contextlib.contextmanager
def worker() -> Iterator[None]:
    """Run the worker's loop in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,), kwargs={"interval": 0.5, "threads": OPTIONS.threads})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def take_down(sessions: list[int]) -> None:
    """End each session as its user."""
    person = builders.make_user("bench")
    for session in PrivilegedSession.objects.filter(pk__in=sessions, status=Status.AVAILABLE):
        end(person, session)


class Clock:
    """Measures wall time and CPU time from its creation on."""

    def __init__(self, living: list[Machine]) -> None:
        self._living = living
        self._begin = timezone.now()
        self._worker = time.process_time()
        self._hosts = self._of_hosts()

    def _of_hosts(self) -> float:
        return sum(one.cpu_seconds() for one in self._living)

    def phase(self, moments: list[dt.datetime]) -> Phase:
        """Return what was used until now; `moments` are when the sessions were done.

        A host's sshd knows what a connection cost only when the connection is closed.
        """
        CONNECTION_POOL.forget()
        time.sleep(0.3)
        seconds = [(one - self._begin).total_seconds() for one in moments]
        return Phase(seconds, time.process_time() - self._worker, self._of_hosts() - self._hosts)


def measure(living: list[Resource], dead: list[Resource], each: int, on: list[Machine], to: Figures) -> None:
    """Measure one round and add its phases to `to`. Drop the sessions of the dead host afterwards."""
    forget()
    sessions = make_sessions([*dead, *living], each)
    theirs = PrivilegedSession.objects.filter(pk__in=sessions, resource__in=living)
    numbers = list(theirs.values_list("pk", flat=True))
    clock = Clock(on)
    with worker():
        wait_for({Status.AVAILABLE}, numbers)
        begun = theirs.filter(status=Status.AVAILABLE, start_at__isnull=False)
        to.give.append(clock.phase([one.start_at for one in begun if one.start_at]))
        clock = Clock(on)
        take_down(numbers)
        wait_for({Status.COMPLETE, Status.FAILED, Status.CANCELED}, numbers)
        ended = [one.ended_at for one in theirs.filter(status=Status.COMPLETE) if one.ended_at]
        to.take.append(clock.phase(ended))
    PrivilegedSession.objects.filter(pk__in=sessions).delete()
    print(
        f"  {'one dead' if dead else 'all alive'}: {len(ended)} of {len(numbers)} sessions complete, "
        f"given in {to.give[-1].whole:.1f} s, taken away in {to.take[-1].whole:.1f} s; "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def run(directory: Path) -> None:
    """Measure one session alone, then the rounds."""
    each = OPTIONS.sessions // OPTIONS.hosts
    alone, without, with_dead = Figures(), Figures(), Figures()
    with dead_port() as port, machines(OPTIONS.hosts, directory, ca.create().public_key) as running:
        living = [make_host(f"host-{n}", one.port, one.host_key) for n, one in enumerate(running)]
        dead = make_host("dead", port, living[0].host_key)
        activity = builders.make_activity("Benchmark", kind=AccountKind.EPHEMERAL, sudo_rule=RULE)
        people = [builders.make_user("bench")]
        builders.make_policy("Benchmark", users=people, activities=[activity], resources=[*living, dead])
        print("one session alone")
        for host, machine in zip(living[:5], running, strict=False):
            measure([host], [], 1, [machine], alone)
        print(f"{each} sessions on each of {OPTIONS.hosts} hosts; {OPTIONS.threads} threads; {connection.vendor}")
        for _ in range(OPTIONS.rounds):
            measure(living, [], each, running, without)
            measure(living, [dead], each, running, with_dead)
    show({"one session alone": alone, "all alive": without, "one dead": with_dead})


def show(found: dict[str, Figures]) -> None:
    """Print the seconds of a session (median, 95th percentile), and total and CPU time of each kind's best round."""
    print(f"\n{'seconds':30} {'median':>7} {'p95':>7} {'whole':>7} {'best':>7} {'CPU worker':>11} {'CPU hosts':>10}")
    for kind, figures in found.items():
        for name, phases in (("give", figures.give), ("take away", figures.take)):
            every = sorted(second for phase in phases for second in phase.seconds)
            if not every:
                continue
            best = min(phases, key=lambda phase: phase.whole)
            print(
                f"{f'{kind}, {name}':30} {statistics.median(every):7.2f} {every[int(len(every) * 0.95)]:7.2f} "
                f"{statistics.median(phase.whole for phase in phases):7.2f} {best.whole:7.2f} "
                f"{best.worker:11.2f} {best.hosts:10.2f}"
            )


def main() -> None:
    """Run everything in a database that is made for it."""
    logging.disable(logging.WARNING)  # that the dead host is dead
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        with tempfile.TemporaryDirectory(prefix="sessionadmin-bench-hosts-") as directory:
            register_key(builders.make_user("bench"), Path(directory) / "id_bench")
            run(Path(directory))
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
