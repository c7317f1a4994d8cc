"""How long the worker takes to give and to take away the rights of 200 sessions on 20 real hosts, one of them dead.

    make bench-grants                                            as root, where sshd, sudo and visudo are
    make bench-grants ARGS="--hosts 5 --sessions 50"
    python -m benchmarks.grants --database-url postgresql://...  another database; it makes and removes test_NAME

Each host is an OpenSSH server of its own on loopback. Twice the same: without the dead host, then with it and its
sessions besides; the living hosts should not notice. The dead one takes connections and never says a word. Sessions
run an activity of the kind Commands, since all hosts share this machine's accounts, which useradd locks as a whole;
`--ephemeral` makes accounts all the same (prefix satest), and then measures that lock.

Nothing is asserted. Data and accounts are removed, whatever happens.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import logging
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path


def read_options() -> argparse.Namespace:
    """What the command line asks for. Read before Django is set up, because it says which database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=20, help="the dead one included")
    parser.add_argument("--sessions", type=int, default=200, help="spread evenly over the hosts")
    parser.add_argument("--threads", type=int, default=16, help="of the worker")
    parser.add_argument("--ephemeral", action="store_true", help="make an account for each session")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds for each phase")
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

from django.db import connection  # noqa: E402

from sessions_app.flows.end import end  # noqa: E402
from sessions_app.models import AccountKind, PrivilegedSession, Resource, Status  # noqa: E402
from sessions_app.ssh import ca  # noqa: E402
from sessions_app.worker import loop  # noqa: E402
from tests import builders, sshd  # noqa: E402
from tests.ssh_scene import forget  # noqa: E402

COMMANDS = {
    "kind": AccountKind.COMMANDS,
    "grant_actions": "/bin/true {account}",
    "remove_actions": "/bin/true {account}",
}
EPHEMERAL = {"kind": AccountKind.EPHEMERAL, "sudo_rule": "ALL=(ALL) NOPASSWD: ALL"}


@contextlib.contextmanager
def dead_port() -> Iterator[int]:
    """A port that takes connections, as its kernel does, and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield int(listening.getsockname()[1])


@contextlib.contextmanager
def living_hosts(count: int, directory: Path) -> Iterator[list[Resource]]:
    """So many servers that trust our authority, each with its own key and port."""
    trusted = ca.create().public_key
    with contextlib.ExitStack() as stack:
        hosts = []
        for number in range(count):
            server = stack.enter_context(sshd.serving(directory / f"host-{number}", trusted_authority=trusted))
            hosts.append(make_host(f"host-{number}", server.port, server.host_key))
        yield hosts


def make_host(name: str, port: int, host_key: str) -> Resource:
    """The resource that the server on `port` is."""
    return builders.make_resource(
        name, address="127.0.0.1", port=port, connector="ssh", service_account="root", host_key=host_key
    )


def make_sessions(hosts: list[Resource], each: int) -> list[int]:
    """`each` sessions on each host that are to be provisioned, one host after the other in turn."""
    activity = builders.make_activity("Benchmark", **(EPHEMERAL if OPTIONS.ephemeral else COMMANDS))
    person = builders.make_user("bench")
    builders.make_policy(f"Policy for {len(hosts)}", users=[person], activities=[activity], resources=hosts)
    made = []
    for number in range(each):
        for host in hosts:
            session = builders.make_session(person, Status.PROVISIONING, resource=host, activity=activity)
            session.login_account = f"satest-{session.pk}" if OPTIONS.ephemeral else f"bench-{number}"
            session.save(update_fields=["login_account"])
            made.append(session.pk)
    return made


def seconds_until(statuses: set[Status], sessions: list[int]) -> float:
    """How long until all of them have one of the statuses; complains and goes on when that takes too long."""
    begin = time.perf_counter()
    waiting = PrivilegedSession.objects.filter(pk__in=sessions).exclude(status__in=statuses)
    while waiting.exists():
        if time.perf_counter() - begin > OPTIONS.patience:
            first = waiting.order_by("pk")[0]
            print(f"  {waiting.count()} of {len(sessions)} did not get there in {OPTIONS.patience:.0f} s, for instance")
            print(
                f"  session {first.pk} on {first.resource_name}: {first.status}, {first.last_error or first.end_reason}"
            )
            break
        time.sleep(0.05)
    return time.perf_counter() - begin


@contextlib.contextmanager
def worker() -> Iterator[None]:
    """The worker's loop, in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,), kwargs={"interval": 0.5, "threads": OPTIONS.threads})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def measure(living: list[Resource], dead: list[Resource], each: int) -> dict[str, float]:
    """Seconds of each phase for the sessions on the living hosts."""
    forget()
    sessions = make_sessions([*dead, *living], each)
    theirs = list(PrivilegedSession.objects.filter(pk__in=sessions, resource__in=living).values_list("pk", flat=True))
    person = builders.make_user("bench")
    with worker():
        times = {"give rights": seconds_until({Status.AVAILABLE}, theirs)}
        for session in PrivilegedSession.objects.filter(pk__in=theirs, status=Status.AVAILABLE):
            end(person, session)
        times["take them away"] = seconds_until({Status.COMPLETE, Status.FAILED, Status.CANCELED}, theirs)
    ended = PrivilegedSession.objects.filter(pk__in=theirs, status=Status.COMPLETE).count()
    print(f"  {ended} of {len(theirs)} sessions on {len(living)} living hosts complete", flush=True)
    return times


def run(directory: Path) -> None:
    """Without the dead host, then with it."""
    each = OPTIONS.sessions // OPTIONS.hosts
    print(
        f"{each} sessions on each of {OPTIONS.hosts - 1} living hosts"
        f"{', an account for each' if OPTIONS.ephemeral else ''}; {OPTIONS.threads} threads; {connection.vendor}"
    )
    with dead_port() as port, living_hosts(OPTIONS.hosts - 1, directory) as living:
        print("all hosts alive")
        without = measure(living, [], each)
        dead = make_host("dead", port, living[0].host_key)
        print(f"one dead host with {each} sessions besides")
        with_dead = measure(living, [dead], each)
    print(f"{'seconds':20} {'all alive':>10} {'one dead':>10} {'ratio':>8}")
    for phase, seconds in without.items():
        print(f"{phase:20} {seconds:10.1f} {with_dead[phase]:10.1f} {with_dead[phase] / seconds:8.2f}")


def main() -> None:
    """In a database of its own."""
    logging.disable(logging.WARNING)  # that the dead host is dead
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        with sshd.alone(), tempfile.TemporaryDirectory(prefix="sessionadmin-bench-hosts-") as directory:
            run(Path(directory))
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
