"""Times of events in a company: more by day than by night, few at weekends, more each year, and in bursts."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator

HOUR = 3600
NIGHT, WEEKEND = 0.15, 0.25  # compared with an hour of a working day
BURSTS, BURST = 0.004, 15.0  # the part of hours with a burst, and by how much they have more events
GROWTH = 2.0  # the last day has so many times the events of the first


def timestamps(count: int, start: dt.datetime, end: dt.datetime, chance: random.Random) -> Iterator[float]:
    """Yield `count` times from `start` to `end`, ascending, in seconds since 1970 (UTC)."""
    first = start.timestamp()
    hours = max(int((end.timestamp() - first) // HOUR), 1)
    so_far = [0.0, *itertools.accumulate(_weight(first + hour * HOUR, hour / hours, chance) for hour in range(hours))]
    done = 0
    for hour in range(hours):
        here = int(count * so_far[hour + 1] / so_far[-1]) if hour + 1 < hours else count
        many, begin = here - done, first + hour * HOUR
        for number in range(many):
            yield begin + HOUR * (number + chance.random()) / many
        done = here


def text_of(moment: float) -> str:
    """Return the time in UTC as text for a database. It is the form of Django for SQLite, with milliseconds."""
    return dt.datetime.fromtimestamp(moment, dt.UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _weight(begin: float, part: float, chance: random.Random) -> float:
    at = dt.datetime.fromtimestamp(begin, dt.UTC)
    usual = 1.0 if 7 <= at.hour < 18 else NIGHT
    usual *= WEEKEND if at.weekday() >= 5 else 1.0
    return usual * (1 + (GROWTH - 1) * part) * (BURST if chance.random() < BURSTS else 1.0)
