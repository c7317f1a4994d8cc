"""Measures how many entries in a second four processes record at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

PROCESSES, SECONDS = 4, 5.0
MANY = 10_000_000  # entries that these are taken to be the last of


def figures(seconds: float = SECONDS) -> dict[str, Any]:
    """Let four processes record for some seconds, each entry in a transaction of its own, and return the rate."""
    # All are told the same moment to begin at: starting Django takes longer for some than for others.
    begin = time.time() + 4
    command = [sys.executable, "-m", "benchmarks.writes", str(begin), str(seconds)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "BENCH_WITHOUT_PEERS": "1"})
        for _ in range(PROCESSES)
    ]
    counts = [json.loads(process.communicate()[0]) for process in running]
    return {"processes": PROCESSES, "entries_a_second": round(sum(counts) / seconds)}


def record_until(end: float) -> int:
    """Return how many entries this process recorded."""
    from activity import log  # noqa: PLC0415 - after django.setup()
    from activity.verbs import Verb  # noqa: PLC0415
    from benchmarks.data import administrator  # noqa: PLC0415
    from benchmarks.volume.words import word_of  # noqa: PLC0415

    person, count = administrator(), 0
    while time.time() < end:
        # With words as often as in the newest of the generated entries, which the next run asks for again.
        log.record(Verb.LOGIN, f"{person} logged in to the benchmark {word_of(MANY - count, MANY)}", actor=person)
        count += 1
    return count


if __name__ == "__main__":
    import django

    django.setup()
    start, length = float(sys.argv[1]), float(sys.argv[2])
    time.sleep(max(start - time.time(), 0))
    print(json.dumps(record_until(max(start, time.time()) + length)))
