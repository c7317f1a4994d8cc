"""Prints by how many megabytes a process grows that sends one CSV: `python -m benchmarks.memory URL`.

export.py calls it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import django

django.setup()

from benchmarks.data import browser  # noqa: E402 - after the set-up


def resident() -> int:
    """Return how many bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grow(url: str) -> float:
    """Return by how many megabytes this process grows at most for a CSV, after it has sent a page and a first CSV."""
    client = browser()
    client.get("/activity/")
    for _ in client.get("/activity/?csv=1&period=24h"):
        continue
    before = largest = resident()
    for number, _ in enumerate(client.get(url)):
        if number % 20 == 0:
            largest = max(largest, resident())
    return round((max(largest, resident()) - before) / 2**20, 1)


if __name__ == "__main__":
    print(json.dumps(grow(sys.argv[1])))
