"""Measures contestants in turn, so that other work on the machine affects all of them alike."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

Ask = Callable[[], Any]
ENOUGH = 20.0  # seconds for one question to one contestant: a slow one is asked less often
FEWEST = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One contestant at one question.

    Times are in milliseconds and sizes in bytes. `ratio` is its median divided by ours. `cpu` is the least time that
    this process computed, which other work on the machine makes hardly longer.
    """

    question: str
    who: str
    median: float
    minimum: float
    p95: float
    ratio: float
    cpu: float
    rounds: int
    size: int


def contest(question: str, contestants: dict[str, Ask], rounds: int) -> list[Figure]:
    """Measure each contestant `rounds` times, in turn. The console is the first one. The first answers do not count."""
    taken: dict[str, list[float]] = {who: [] for who in contestants}
    computed = dict.fromkeys(contestants, math.inf)
    sizes = {}
    for who, ask in contestants.items():
        begin = time.perf_counter()
        answer = ask()
        if getattr(answer, "status_code", 200) not in (200, 304):
            raise RuntimeError(f"{question}: {who} answered {answer.status_code}")
        sizes[who] = len(getattr(answer, "content", b"") or b"")
        if time.perf_counter() - begin > ENOUGH:
            taken[who].append((time.perf_counter() - begin) * 1000)
    for number in range(rounds):
        for who, ask in contestants.items():
            spent = sum(taken[who])
            if spent > ENOUGH * 1000 or (number >= FEWEST and spent > ENOUGH * 100):
                continue
            begin, cpu = time.perf_counter(), time.process_time()
            ask()
            taken[who].append((time.perf_counter() - begin) * 1000)
            computed[who] = min(computed[who], (time.process_time() - cpu) * 1000)
    ours = statistics.median(taken[next(iter(contestants))])
    return [_figure(question, who, times, ours, computed[who], sizes[who]) for who, times in taken.items()]


def _figure(question: str, who: str, times: list[float], ours: float, cpu: float, size: int) -> Figure:
    median = statistics.median(times)
    worst = sorted(times)[min(int(len(times) * 0.95), len(times) - 1)]
    return Figure(
        question,
        who,
        median=round(median, 2),
        minimum=round(min(times), 2),
        p95=round(worst, 2),
        ratio=round(median / ours, 2),
        cpu=round(min(cpu, max(times)), 2),
        rounds=len(times),
        size=size,
    )
