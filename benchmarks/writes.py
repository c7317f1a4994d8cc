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
    running = [start("benchmarks.writes", seconds) for _ in range(PROCESSES)]
    begin_together(running)
    counts = [json.loads(process.communicate()[0]) for process in running]
    return {"processes": PROCESSES, "entries_a_second": round(sum(counts) / seconds)}


def start(module: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process of the benchmark without the peers."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = {**os.environ, "BENCH_WITHOUT_PEERS": "1"}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def begin_together(processes: list[subprocess.Popen[str]]) -> float:
    """Tell processes that wait in moment_to_begin() the same moment, once all are there. Return it."""
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    moment = time.time() + 0.2
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{moment}\n")
        process.stdin.flush()
    return moment


def moment_to_begin() -> float:
    """Say that this process is there, and wait for the moment that all begin at. Return it."""
    record_until(0.0)  # what is done once: imports, and the account that records
    print("ready", flush=True)  # starting Django takes longer for some than for others
    moment = float(sys.stdin.readline())
    time.sleep(max(moment - time.time(), 0))
    return moment


def record_until(end: float) -> int:
    """Return how many entries this process recorded."""
    from activity import log  # noqa: PLC0415 - after django.setup()
    from activity.verbs import Verb  # noqa: PLC0415 - once Django is set up
    from benchmarks.data import administrator  # noqa: PLC0415 - once Django is set up
    from benchmarks.volume.words import word_of  # noqa: PLC0415 - once Django is set up

    person, count = administrator(), 0
    while time.time() < end:
        # With words as often as in the newest of the generated entries, which the next run asks for again.
        log.record(Verb.LOGIN, f"{person} logged in to the benchmark {word_of(MANY - count, MANY)}", actor=person)
        count += 1
    return count


if __name__ == "__main__":
    import django

    django.setup()
    length = float(sys.argv[1])
    print(json.dumps(record_until(moment_to_begin() + length)))
