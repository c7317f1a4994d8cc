"""Server time, queries and weight of our list pages at several sizes, beside Django's own admin on the same rows.

    make bench                                      20,000 and 500,000 log entries, a tenth as many sessions and logins
    python -m benchmarks.lists --rows 20000 --database-url postgresql://... --json out.json

Everything is asked through the test client with a login, interleaved in one process: each pays for session, user,
permissions, filters, count and template, and noise of the machine hits all alike. Look at the minima and at the ratio
to the admin. The admin's changelist is tuned as far as it goes without code: no second full count. Unequal: our pages
print 100 rows as links, times and badges with a toolbar; the admin prints 100 rows as plain text and no chart.

The data goes into a test database (test.sqlite3 in a temporary directory, or test_NAME on PostgreSQL), and is removed.
"""

from __future__ import annotations

import argparse
import atexit
import dataclasses
import datetime as dt
import json
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def read_options() -> argparse.Namespace:
    """What the command line asks for. Read before Django is set up, because it says which database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 500_000], help="log entries")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--database-url", default="", help="a PostgreSQL server to use instead of an SQLite file")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


OPTIONS = read_options()
os.environ["DJANGO_SETTINGS_MODULE"] = "sessionadmin.settings.test"
os.environ["TEST_VAR_DIR"] = tempfile.mkdtemp(prefix="sessionadmin-bench-")
atexit.register(shutil.rmtree, os.environ["TEST_VAR_DIR"], ignore_errors=True)
if OPTIONS.database_url:
    os.environ["TEST_DATABASE_URL"] = OPTIONS.database_url

import django  # noqa: E402 - after the settings are chosen

django.setup()

from django.contrib import admin  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import StreamingHttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from activity.models import LogEntry  # noqa: E402
from activity.verbs import Verb  # noqa: E402
from sessions_app.models import LoginSession, PrivilegedSession, Status  # noqa: E402
from sessions_app.worker import passes  # noqa: E402
from tests import builders  # noqa: E402

PAGES = {
    "admin changelist of the log": "/admin/activity/logentry/",
    "activity log": "/activity/?period=1y",
    "activity log, keyword": "/activity/?period=1y&activity=499",
    "summary of 7 days": "/activity/summary/",
    "summary of a year": "/activity/summary/?period=1y",
    "sessions, active": "/sessions/",
    "sessions, historical": "/sessions/?tab=historical",
    "sessions, by End": "/sessions/?tab=historical&sort=-end",
    "sessions, by User": "/sessions/?tab=historical&sort=user",
    "logins": "/logins/",
    "users": "/users/",
    "heartbeat": "/alive/",
}
PEER = "admin changelist of the log"
FRAGMENTS = ("activity log", "sessions, historical")  # what an open page asks for every 10 seconds


class TunedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # takes no parameters at run time
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
            PrivilegedSession(**values | times_of(now - dt.timedelta(minutes=number), chance))
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


def times_of(requested: dt.datetime, chance: random.Random) -> dict[str, object]:
    """What differs from session to session."""
    number = chance.randrange(50)
    return {
        "requested_at": requested,
        "start_at": requested,
        "end_at": requested + dt.timedelta(minutes=chance.randint(30, 480)),
        "user_name": f"user{number}",
        "resource_name": f"host-{number}",
    }


def milliseconds(ask: Callable[[], object]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    ask()
    return (time.perf_counter() - begin) * 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One page at one size. Times in ms, weight in bytes before compression."""

    page: str
    rows: int
    minimum: float
    median: float
    p95: float
    of_peer: float  # how often the page fits into the admin's changelist, by the minima
    queries: int
    weight: int


def browser() -> Client:
    """Logged in as an administrator who may see the admin too."""
    person = builders.make_admin()
    person.is_staff = True
    person.save(update_fields=["is_staff"])
    client = Client()
    client.force_login(person)
    return client


def asks(client: Client) -> dict[str, Callable[[], Any]]:
    """Every page, the refreshes of open pages, and the worker's look for what is due."""

    def page(url: str, **headers: str) -> Callable[[], Any]:
        return lambda: client.get(url, headers=headers)

    found: dict[str, Callable[[], Any]] = {name: page(url) for name, url in PAGES.items()}
    for name in FRAGMENTS:
        found[f"{name}, refresh"] = page(PAGES[name], HX_Request="true")
        etag = client.get(PAGES[name], headers={"HX-Request": "true"})["ETag"]
        found[f"{name}, unchanged"] = page(PAGES[name], HX_Request="true", If_None_Match=etag)
    found["heartbeat, unchanged"] = page("/alive/", If_None_Match=client.get("/alive/")["ETag"])
    found["worker, what is due"] = lambda: passes.due(timezone.now())
    return found


def measure(rows: int, rounds: int) -> list[Figure]:
    """Ask everything in turn, `rounds` times."""
    questions = asks(browser())
    weights, queries = {}, {}
    for name, ask in questions.items():
        ask()
        with CaptureQueriesContext(connection) as captured:
            answer = ask()
            queries[name] = len(captured)
        if getattr(answer, "status_code", 200) not in (200, 304):
            sys.exit(f"{name} answered {answer.status_code}")
        weights[name] = len(getattr(answer, "content", b""))
    times: dict[str, list[float]] = {name: [] for name in questions}
    for _ in range(rounds):
        for name, ask in questions.items():
            times[name].append(milliseconds(ask))
    peer = min(times[PEER])
    return [
        Figure(
            name,
            rows,
            round(min(taken), 2),
            round(statistics.median(taken), 2),
            round(sorted(taken)[int(len(taken) * 0.95)], 2),
            round(peer / min(taken), 2),
            queries[name],
            weights[name],
        )
        for name, taken in times.items()
    ]


def download() -> dict[str, float]:
    """The whole log as CSV: rows a second, and Python's memory at its peak over the first 50,000 rows of another."""
    client = Client()
    client.force_login(builders.make_auditor())
    begin = time.perf_counter()
    lines = sum(csv_lines(client))
    seconds = time.perf_counter() - begin
    tracemalloc.start()
    written = 0
    for count in csv_lines(client):
        written += count
        if written > 50_000:
            break
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"rows": lines - 1, "rows_a_second": round(lines / seconds), "megabytes": round(peak / 2**20, 1)}


def csv_lines(client: Client) -> Iterator[int]:
    """How many lines each part of the download holds, as it comes."""
    answer = client.get("/activity/?period=1y&csv=1")
    assert isinstance(answer, StreamingHttpResponse)
    for part in answer:
        yield part.count(b"\n")


def run(rows: int) -> dict[str, Any]:
    """Everything at one size, in a database of its own."""
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        fill(rows)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        figures = measure(rows, OPTIONS.rounds)
        return {"rows": rows, "pages": [dataclasses.asdict(figure) for figure in figures], "csv": download()}
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def show(result: dict[str, Any]) -> None:
    """One size as a table."""
    rows, csv = result["rows"], result["csv"]
    print(f"{rows:,} log entries, {rows // 10:,} sessions and logins; {OPTIONS.rounds} rounds; {connection.vendor}; ms")
    print(f"{'':34} {'min':>8} {'median':>8} {'p95':>8} {'x admin':>8} {'queries':>8} {'bytes':>8}")
    for page in result["pages"]:
        print(
            f"{page['page']:34} {page['minimum']:8.1f} {page['median']:8.1f} {page['p95']:8.1f} "
            f"{page['of_peer']:8.1f} {page['queries']:8} {page['weight']:8,}"
        )
    print(f"CSV: {csv['rows_a_second']:,.0f} rows/s, {csv['rows']:,} rows, {csv['megabytes']} MB of memory\n")


def main() -> None:
    """Every size in turn."""
    admin.site.register(LogEntry, TunedAdmin)
    results = []
    for rows in OPTIONS.rows:
        results.append(run(rows))
        show(results[-1])
    if OPTIONS.json is not None:
        machine = {"python": platform.python_version(), "machine": platform.platform(), "database": connection.vendor}
        OPTIONS.json.write_text(json.dumps({**machine, "sizes": results}, indent=1))


if __name__ == "__main__":
    main()
