"""Prepares the database of the benchmark. It is filled once for each size and schema, and then used again."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client

from activity.models import LogEntry
from benchmarks.volume.command import Command
from sessions_app.roles import ADMINISTRATORS


@dataclasses.dataclass(frozen=True, slots=True)
class Size:
    """The number of rows in each table, and in a CSV at most (`export`), and how often to measure (`rounds`)."""

    entries: int
    sessions: int
    logins: int
    users: int
    export: int
    rounds: int


SIZES = {
    "tiny": Size(2000, 300, 100, 30, 2000, 1),  # that the benchmark itself works: tests/project/test_benchmark.py
    "small": Size(20_000, 2000, 2000, 100, 20_000, 20),
    "1m": Size(1_000_000, 100_000, 10_000, 1000, 1_000_000, 20),
    "10m": Size(10_000_000, 1_000_000, 100_000, 10_000, 1_000_000, 20),
}
NAME = "bench-admin"


def fill(size: Size) -> dict[str, float]:
    """Migrate the database, and fill it if that was not done before. Return how many seconds filling took, if any."""
    call_command("migrate", verbosity=0)
    if LogEntry.objects.all()[: size.entries].count() >= size.entries:
        return {}
    begin = time.monotonic()
    numbers = {"entries": size.entries, "sessions": size.sessions, "logins": size.logins, "users": size.users}
    call_command(Command(), *(f"--{name}={number}" for name, number in numbers.items()), "--seed=1")
    return {"seconds": round(time.monotonic() - begin, 1)}


def administrator() -> Any:
    """Return an account that may see everything, in the console and in the peers' administration."""
    person, is_new = get_user_model()._default_manager.get_or_create(
        username=NAME, defaults={"email": f"{NAME}@example.com", "is_staff": True, "is_superuser": True}
    )
    if is_new:
        person.groups.add(Group.objects.get(name=ADMINISTRATORS))
    return person


def browser() -> Client:
    """Return a client that is logged in through our own backend."""
    client = Client()
    client.force_login(administrator(), backend="sessions_app.logins.backend.LoginSessionBackend")
    return client


def bytes_on_disk() -> int:
    """Return the size of the database on disk in bytes."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return int(cursor.fetchone()[0])
