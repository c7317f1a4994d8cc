"""A bar chart as numbers for an SVG template. Pure: knows counts and labels, neither the log nor HTML."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

WIDTH, HEIGHT = 720, 150  # units of the SVG's view box
LEFT, BASE, TOP = 60, 128, 12  # left edge of the first bar, bottom of all bars, and top of the tallest one
MOST_TICKS = 6
TICK_WIDTH = 80  # of one word under the axis
BAR_SHARE = 0.8  # the part of each step that its bar fills; the rest is the gap to the next bar


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """The numbers of one step of time: all entries, and those of them that are warnings or errors."""

    label: str  # in full, for the table and the tooltip
    tick: str  # short, under the axis
    total: int
    problems: int


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in units of the view box, as text so that no locale rewrites the numbers."""

    bucket: Bucket
    x: str
    width: str
    y: str
    height: str
    problems_y: str
    problems_height: str


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """One word under the axis."""

    x: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the template prints."""

    bars: list[Bar]
    ticks: list[Tick]
    peak: int
    description: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = BASE
    top: int = TOP


def draw(buckets: Sequence[Bucket]) -> Chart:
    """Return the chart of `buckets` in the given order. The tallest bar reaches the top.

    If nothing was counted, the chart has no bars.
    """
    peak = max((bucket.total for bucket in buckets), default=0)
    if not peak:
        return Chart([], [], 0, "Nothing to show.")
    step = (WIDTH - LEFT) / len(buckets)
    bars = [_bar(bucket, LEFT + index * step, step, peak) for index, bucket in enumerate(buckets) if bucket.total]
    every = -(-len(buckets) // MOST_TICKS)
    ticks = [
        Tick(f"{LEFT + index * step:.1f}", bucket.tick)
        for index, bucket in enumerate(buckets)
        if index % every == 0 and (index == 0 or LEFT + index * step <= WIDTH - TICK_WIDTH)
    ]
    total = sum(bucket.total for bucket in buckets)
    problems = sum(bucket.problems for bucket in buckets)
    busiest = max(buckets, key=lambda bucket: bucket.total)
    words = (
        f"{total:,} in all, {problems:,} of them warnings or errors, from {buckets[0].label} to {buckets[-1].label}. "
        f"Busiest: {busiest.label}, with {busiest.total:,}."
    )
    return Chart(bars, ticks, peak, words)


def _bar(bucket: Bucket, x: float, step: float, peak: int) -> Bar:
    scale = (BASE - TOP) / peak
    height = max(bucket.total * scale, 1)  # so that even a single entry can be seen
    problems = max(bucket.problems * scale, 1) if bucket.problems else 0
    return Bar(
        bucket,
        x=f"{x:.2f}",
        width=f"{step * BAR_SHARE:.2f}",
        y=f"{BASE - height:.2f}",
        height=f"{height:.2f}",
        problems_y=f"{BASE - problems:.2f}",
        problems_height=f"{problems:.2f}",
    )
