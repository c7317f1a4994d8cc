"""Measures everything on one database, in this process: `python -m benchmarks.one SIZE RESULT.json`.

__main__.py calls it for each database.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402 - once Django is set up

from benchmarks import data, export, middleware, pages, sealing, serving, writes  # noqa: E402 - once Django is set up
from benchmarks.installed import PEERS  # noqa: E402 - once Django is set up
from benchmarks.timing import Figure  # noqa: E402 - once Django is set up


def versions() -> dict[str, Any]:
    """Return the versions of what was measured, and of what it was measured on."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version" if connection.vendor == "postgresql" else "SELECT sqlite_version()")
        database = f"{connection.vendor} {cursor.fetchone()[0]}"
    missing = sorted(name for name, is_there in PEERS.items() if not is_there)
    where = {"python": platform.python_version(), "django": django.get_version(), "machine": platform.platform()}
    return {"database": database, **where, "missing_peers": missing}


def measure(size: data.Size, path: Path) -> dict[str, Any]:
    """Measure all groups, report each at once, and keep it in `path` in case that the next one fails.

    Writing comes last, because it adds to the log.
    """
    result: dict[str, Any] = {"filled": data.fill(size), "versions": versions(), "bytes": data.bytes_on_disk()}
    found: list[Figure] = []
    for figure in pages.Pages(size).figures():
        print(f"  {figure.question:44} {figure.who:22} {figure.median:9.1f} ms", flush=True)
        found.append(figure)
    found += middleware.figures(max(size.rounds, 3))
    result["pages"] = [dataclasses.asdict(figure) for figure in found]
    groups: dict[str, Callable[[], Any]] = {
        "weights": pages.weights,
        "csv": lambda: export.figures(size),
        "serving": serving.figures if size.rounds > 1 else lambda: None,
        "sealing": lambda: sealing.figures(sealing.TURNS if size.rounds > 1 else 0),
        "record": lambda: writes.figures(writes.SECONDS if size.rounds > 1 else 1.0),
    }
    for name, group in groups.items():
        result[name] = group()
        path.write_text(json.dumps(result, indent=1))
        print(f"  {name}: {json.dumps(result[name])}", flush=True)
    return result


def main() -> None:
    """Measure, and write the result."""
    begin, path = time.monotonic(), Path(sys.argv[2])
    result = measure(data.SIZES[sys.argv[1]], path)
    result["minutes"] = round((time.monotonic() - begin) / 60, 1)
    path.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
