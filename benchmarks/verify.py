"""`python -m benchmarks.verify` measures verify_log on the log that `sessionadmin` would use, beside a plain reading.

Fill a database with `python -m benchmarks.volume` first. It seals what is not sealed yet, and changes nothing else.
"""

from __future__ import annotations

import functools
import os
import resource
import time
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sessionadmin.settings.production")
django.setup()

from django.db import connection  # noqa: E402 - after the set-up

from activity.seal import checkpoints  # noqa: E402 - once Django is set up
from activity.seal.models import SealState  # noqa: E402 - once Django is set up
from activity.seal.rows import ROWS_AT_ONCE, statement_for  # noqa: E402 - once Django is set up
from activity.seal.sealing import Sealing  # noqa: E402 - once Django is set up
from activity.seal.verification import Verification  # noqa: E402 - once Django is set up
from sessions_app.evidence.trusted_keys import trusted  # noqa: E402 - once Django is set up


def read_plainly(up_to: int) -> None:
    """Read the same columns of the same rows, and do nothing with them."""
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement_for(connection), [after, up_to, ROWS_AT_ONCE])
            rows = cursor.fetchall()
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1][4]  # the number


def verify(processes: int) -> None:
    """Verify the whole log. Raise AssertionError for any finding."""
    keys, _ = trusted()
    result = Verification(keys, print).run(processes)
    assert not result.findings


def measured(what: str, rows: int, work: Callable[[], object]) -> float:
    """Run it, print how long it took, in time and in time of processors, and return the seconds."""
    before, began = _processor_seconds(), time.perf_counter()
    work()
    seconds, used = time.perf_counter() - began, _processor_seconds() - before
    print(f"{what:<34} {seconds:8.1f} s {used:8.1f} s of processors {rows / seconds:12,.0f} rows/s", flush=True)
    return seconds


def _processor_seconds() -> float:
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in found)


def main() -> None:
    measured("sealing what is not sealed", 1, lambda: (Sealing("bench").seal(is_alone=True), checkpoints.make()))
    state = SealState.current()
    print(f"{state.size:,} entries, load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} processors")
    plain = measured("reading them plainly", state.size, lambda: read_plainly(state.last_id))
    for processes in (1, 2):
        seconds = measured(f"verify_log, {processes} process(es)", state.size, functools.partial(verify, processes))
        print(f"{'':<34} {seconds / plain:8.1f} times reading plainly")
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"at most {most / 1024:,.0f} MB in one process")


if __name__ == "__main__":
    main()
