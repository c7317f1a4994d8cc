"""Measures the CSV of the log: rows in a second, the time to the first byte, and how much memory it takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.test import Client

from activity.models import LogEntry
from benchmarks.data import Size, browser
from benchmarks.installed import PEERS
from benchmarks.peers.export import COLUMNS

RECIPE_ROWS = 100_000  # enough for those whose speed does not depend on how many rows there are
OURS = "SessionAdmin"


def figures(size: Size) -> list[dict[str, Any]]:
    """Measure everyone, one after the other, and return their figures."""
    newest = LogEntry.objects.order_by("-at", "-id")
    rows = min(size.export, size.entries)
    since = newest.values_list("at", flat=True)[rows - 1]
    everything = {"csv": "1", "since": f"{since:%Y-%m-%d}", "period": "custom"}
    few = min(rows, RECIPE_ROWS)
    client = browser()
    found = [_page(OURS, client, f"/activity/?{urlencode(everything)}")]
    found += _tool(rows)
    found.append(_page(f"{OURS}, again", client, f"/activity/?{urlencode(everything)}"))
    found.append(_page("StreamingHttpResponse recipe", client, f"/peer/recipe/?rows={few}"))
    if PEERS["import_export"]:
        found.append(_page("django-import-export", client, f"/peer/import-export/?rows={few}"))
    grown = _in_a_process(f"/activity/?{urlencode(everything)}")
    return [{**one, **(grown if one["who"] == OURS else {})} for one in found]


def _page(who: str, client: Client, url: str) -> dict[str, Any]:
    begin, first, lines = time.perf_counter(), 0.0, 0
    answer: Any = client.get(url)
    if answer.status_code != 200:
        raise RuntimeError(f"{who} answered {answer.status_code}")
    for part in answer if answer.streaming else [answer.content]:
        first = first or time.perf_counter() - begin
        lines += part.count(b"\n")
    return _figure(who, lines - 1, time.perf_counter() - begin, first)


def _figure(who: str, rows: int, seconds: float, first: float) -> dict[str, Any]:
    return {
        "who": who,
        "rows": rows,
        "rows_a_second": round(rows / seconds),
        "first_byte_ms": round(first * 1000, 1),
    }


def _tool(rows: int) -> list[dict[str, Any]]:
    """Measure the database's own program with the same columns and order. Return nothing if it is not installed."""
    who, program = ("psql \\copy", "psql") if connection.vendor == "postgresql" else ("sqlite3 .mode csv", "sqlite3")
    if shutil.which(program) is None:
        return []
    statement = f"SELECT {', '.join(COLUMNS)} FROM activity_logentry ORDER BY at DESC, id DESC LIMIT {rows}"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "log.csv"
        begin = time.perf_counter()
        _run(statement, path)
        seconds = time.perf_counter() - begin
        with path.open("rb") as file:
            lines = sum(1 for _ in file)
    return [_figure(who, lines, seconds, 0.0)]


def _run(statement: str, path: Path) -> None:
    if connection.vendor == "postgresql":
        command = ["psql", os.environ["BENCH_DATABASE"], "-q", "-c", f"\\copy ({statement}) TO '{path}' CSV"]
        subprocess.run(command, check=True)
        return
    with path.open("wb") as file:
        database = str(connection.settings_dict["NAME"])
        subprocess.run(["sqlite3", "-readonly", "-csv", database, statement], check=True, stdout=file)


def _in_a_process(url: str) -> dict[str, Any]:
    """Return by how many megabytes a new process grows that has shown a page before."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", url],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "BENCH_WITHOUT_PEERS": "1"},
    )
    return {"grows_mb": json.loads(done.stdout.splitlines()[-1])}
