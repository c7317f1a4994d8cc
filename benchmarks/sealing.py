"""Measures what the sealing of the log costs record(), and how long 10,000 entries take to be sealed.

While four processes record, a sealing process goes on and stops in turns of two seconds, so that other load of the
machine meets both. It seals everything that was recorded, also in the turns in which it stood still; so the loss is the
difference between the rate without it and the rate over all turns.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks import writes

TURNS = 12  # half of them with the sealing
TURN_SECONDS = 2.0
ENTRIES = 10_000


def figures(turns: int = TURNS) -> dict[str, Any]:
    """Return how long sealing takes by itself, and what it costs the rate of record()."""
    alone = json.loads(_start("backlog").communicate()[0])
    each = ENTRIES / alone["entries"]
    found = {
        "entries": alone["entries"],
        "seconds_for_10000": round(alone["seconds"] * each, 2),
        "processor_seconds_for_10000": round(alone["processor"] * each, 2),
    }
    return {**found, **_beside_record(turns)} if turns else found


def _beside_record(turns: int) -> dict[str, Any]:
    sealing = _start("always")
    writers = [_start("record", turns) for _ in range(writes.PROCESSES)]
    begin = writes.begin_together(writers)
    for turn in range(turns):
        sealing.send_signal(signal.SIGCONT if turn % 2 else signal.SIGSTOP)
        time.sleep(max(begin + (turn + 1) * TURN_SECONDS - time.time(), 0))
    recorded = [json.loads(writer.communicate()[0]) for writer in writers]
    sealing.send_signal(signal.SIGTERM)
    sealed = json.loads(sealing.communicate()[0])
    rates = [sum(one["counts"][turn] for one in recorded) / TURN_SECONDS for turn in range(turns)]
    without, over_all = statistics.mean(rates[::2]), statistics.mean(rates)
    each_record = sum(one["processor"] for one in recorded) / max(sum(sum(one["counts"]) for one in recorded), 1)
    return {
        "record_without": round(without),
        "record_with": round(over_all),
        "lost_percent": round((1 - over_all / without) * 100, 1),
        "processor_percent": round(sealed["processor"] / max(sealed["entries"], 1) / each_record * 100, 1),
    }


def _start(*arguments: object) -> subprocess.Popen[str]:
    return writes.start("benchmarks.sealing", *arguments)


def seal(*, for_ever: bool) -> dict[str, Any]:
    """Seal as a worker does, until SIGTERM or until all entries are sealed. Return how many that were, and how long."""
    from activity.seal.sealing import Sealing  # noqa: PLC0415 - after django.setup()
    from sessions_app.worker.sealer import BETWEEN_BATCHES, Sealer  # noqa: PLC0415 - once Django is set up

    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))

    def goes_on() -> bool:
        time.sleep(BETWEEN_BATCHES if for_ever else 0)
        return not stopped

    sealing, count = Sealing("benchmark"), 0
    begin, processor = time.perf_counter(), time.process_time()
    while not stopped:
        sealed = sealing.seal(goes_on, is_alone=True)
        count += sealed
        if for_ever:
            time.sleep(Sealer.every)
        elif not sealed and not sealing.settled.waiting_since:
            break
    return {"entries": count, "seconds": time.perf_counter() - begin, "processor": time.process_time() - processor}


def record(turns: int) -> dict[str, Any]:
    """Record until all turns are over. Return how many entries this process wrote in each, and its processor time."""
    begin = writes.moment_to_begin()
    processor = time.process_time()
    counts = [writes.record_until(begin + (turn + 1) * TURN_SECONDS) for turn in range(turns)]
    return {"counts": counts, "processor": time.process_time() - processor}


def main(what: str, *arguments: str) -> dict[str, Any]:
    """Do the part of one process."""
    from activity import log  # noqa: PLC0415 - after django.setup()
    from activity.verbs import Verb  # noqa: PLC0415 - once Django is set up

    if what == "record":
        return record(int(arguments[0]))
    if what == "backlog":  # at least so many are not sealed
        log.record_all(log.draft(Verb.LOGIN, f"entry {number} of the backlog") for number in range(ENTRIES))
    return seal(for_ever=what == "always")


if __name__ == "__main__":
    import django

    django.setup()
    print(json.dumps(main(*sys.argv[1:])))
