"""Server time of our list pages beside Django's own admin changelist, interleaved in one process on the same rows.

    make bench            (ROWS=20000 by default)

Both are asked through the test client with a login, so each pays for session, user, permissions, filters, count and the
template. The admin's changelist is tuned as far as it goes without code: no second full count. Unequal: our page prints
100 rows as links, times and badges with a toolbar; the admin prints 100 rows as plain text and no activity chart.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "sessionadmin.settings.test"
os.environ["TEST_VAR_DIR"] = tempfile.mkdtemp(prefix="sessionadmin-bench-")

import django

django.setup()

from django.contrib import admin  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from activity.models import LogEntry  # noqa: E402
from activity.verbs import Verb  # noqa: E402
from sessions_app.models import LoginSession, PrivilegedSession, Status  # noqa: E402
from tests import builders  # noqa: E402


class TunedAdmin(admin.ModelAdmin):
    """The peer: the admin's list of the same log."""

    list_display = ("at", "level", "actor_name", "user_name", "verb", "message", "target_name", "ip")
    list_filter = ("level",)
    search_fields = ("message",)
    ordering = ("-at", "-id")
    show_full_result_count = False


def fill(rows: int) -> None:
    """`rows` log entries, a tenth as many sessions and logins, with a fixed seed."""
    chance = random.Random(1)
    users = [builders.make_user(f"user{number}") for number in range(50)]
    now = timezone.now()
    LogEntry.objects.bulk_create(
        (
            LogEntry(
                at=now - dt.timedelta(seconds=37 * number),
                actor=(who := chance.choice(users)),
                actor_name=who.username,
                user=who,
                user_name=who.username,
                verb=chance.choice(Verb.values),
                message=f"Something happened on host {chance.randrange(500)}",
                target_name=f"host-{chance.randrange(500)}",
                ip="198.51.100.7",
            )
            for number in range(rows)
        ),
        batch_size=1000,
    )
    example = builders.make_session(users[0], Status.COMPLETE)
    values = {
        field.attname: getattr(example, field.attname)
        for field in PrivilegedSession._meta.concrete_fields
        if not field.primary_key
    }
    PrivilegedSession.objects.bulk_create(
        (
            PrivilegedSession(**values | {"requested_at": now - dt.timedelta(minutes=number)})
            for number in range(rows // 10)
        ),
        batch_size=500,
    )
    LoginSession.objects.bulk_create(
        (
            LoginSession(
                user=users[number % 50],
                user_name=users[number % 50].username,
                key_hash=f"{number:064x}",
                last_access_at=now - dt.timedelta(seconds=number),
            )
            for number in range(rows // 10)
        ),
        batch_size=1000,
    )


def milliseconds(ask: Callable[[], object]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    ask()
    return (time.perf_counter() - begin) * 1000


def main() -> None:
    """Fill a throw-away SQLite file, ask every page in turn, print median, minimum, p95 and the ratio to the admin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    from django.db import connection  # noqa: PLC0415 - pointed at the throw-away file first

    connection.settings_dict["NAME"] = str(Path(os.environ["TEST_VAR_DIR"]) / "bench.sqlite3")
    call_command("migrate", verbosity=0)
    fill(options.rows)
    admin.site.register(LogEntry, TunedAdmin)
    person = builders.make_admin()
    person.is_superuser = True
    person.save(update_fields=["is_superuser"])
    client = Client()
    client.force_login(person)
    pages = {
        "admin changelist of the log": "/admin/activity/logentry/",
        "activity log": "/activity/?period=1y",
        "activity log, keyword": "/activity/?period=1y&q=499",
        "sessions, historical": "/sessions/?tab=historical&whose=all",
        "logins": "/logins/",
        "heartbeat": "/alive/",
    }
    times: dict[str, list[float]] = {name: [] for name in pages}
    for name, url in pages.items():
        response = client.get(url)
        if response.status_code != 200:
            sys.exit(f"{name}: {url} answered {response.status_code}")
    for _ in range(options.rounds):
        for name, url in pages.items():
            times[name].append(milliseconds(lambda url=url: client.get(url)))
    peer = statistics.median(times["admin changelist of the log"])
    print(f"{options.rows:,} log entries, {options.rows // 10:,} sessions and logins; {options.rounds} rounds; ms")
    print(f"{'page':32} {'median':>8} {'min':>8} {'p95':>8} {'x admin':>8}")
    for name, measured in times.items():
        median = statistics.median(measured)
        p95 = sorted(measured)[int(len(measured) * 0.95)]
        print(f"{name:32} {median:8.1f} {min(measured):8.1f} {p95:8.1f} {peer / median:8.1f}")


if __name__ == "__main__":
    main()
