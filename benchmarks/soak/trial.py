"""Prepares the scene, lets people work under trouble for some minutes, and reports."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth.models import User
from django.db import connection

from benchmarks.gateway_scene import make_host
from benchmarks.hosts import Machine, machines
from benchmarks.soak import verdict
from benchmarks.soak.people import Person, Tally
from benchmarks.soak.trouble import World, administrate, make_trouble
from sessions_app.catalogue.models import AccountKind, Activity, Resource
from sessions_app.hosts.ssh import ca
from sessions_app.privileged.models import PrivilegedSession
from tests.support import builders
from tests.support.ssh_scene import RULE, register_key

SETTLE = 45.0  # seconds without trouble before statuses are compared with the hosts

__all__ = ["World", "run", "scene"]


@dataclass(frozen=True, slots=True)
class Scene:
    """The people, and the hosts on which they work."""

    machines: list[Machine]
    people: list[tuple[User, Path]]  # with the private key of each
    admin: User
    activity: Activity
    hosts: list[Resource]


@contextlib.contextmanager
def scene(directory: Path, hosts: int, people: int) -> Iterator[Scene]:
    """Make hosts and people until the block ends; each person may work on each host."""
    with machines(hosts, directory, ca.create().public_key, starts_again=True) as running:
        resources = [make_host(f"host-{number}", machine) for number, machine in enumerate(running)]
        activity = builders.make_activity(
            "Trial", kind=AccountKind.EPHEMERAL, sudo_rule=RULE, login_account_template="satest-{session}"
        )
        who = [builders.make_user(f"person{number}") for number in range(people)]
        keys = [register_key(user, directory / f"id_{user.username}") for user in who]
        profile = builders.make_profile(
            "Trial",
            record=True,
            maximum_duration=dt.timedelta(seconds=120),
            extension_by=dt.timedelta(seconds=30),
            extension_limit=2,
        )
        builders.make_policy("Trial", users=who, activities=[activity], resources=resources, profile=profile)
        admin = builders.make_admin()
        yield Scene(running, list(zip(who, keys, strict=True)), admin, activity, resources)


def run(scene: Scene, world: World, gateway_port: int, seconds: float) -> list[str]:
    """Let everybody work for some minutes, end the trouble, print the report, and return what was left."""
    tally = Tally()
    work = (scene.activity, scene.hosts)
    at_work = threading.Event()
    people = [
        Person(user, key, work, gateway_port, tally, at_work, seed=number)
        for number, (user, key) in enumerate(scene.people)
    ]
    others = [
        threading.Thread(target=make_trouble, args=(world,)),
        threading.Thread(target=administrate, args=(world,)),
    ]
    for thread in (*people, *others):
        thread.start()
    time.sleep(seconds)
    world.stop.set()
    for thread in others:
        thread.join()
    connection.close()  # it may be one that the database was told to end
    time.sleep(SETTLE)
    left = verdict.untrue_statuses(scene.machines)
    at_work.set()
    for person in people:
        person.join()
    left += [f"{one.name} was stopped by {one.problem!r}" for one in people if one.problem is not None]
    verdict.end_all(scene.admin)
    left += verdict.wait_for_calm()
    left += verdict.left_on_hosts(scene.machines)
    left += verdict.missing_rows(tally.connected)
    left += verdict.bad_recordings()
    _report(world, tally, left)
    connection.close()
    return left


def _report(world: World, tally: Tally, left: list[str]) -> None:
    statuses = Counter(PrivilegedSession.objects.values_list("status", flat=True))
    print(f"\n== {connection.vendor}: trouble: {dict(sorted(world.counts.items()))}")
    print(f"== people: {dict(sorted(tally.counts.items()))}; let in {sum(tally.connected.values())} times")
    print(f"== sessions: {dict(sorted(statuses.items()))}")
    print("\n".join(["== LEFT:", *left]) if left else "== Nothing was left.", flush=True)
