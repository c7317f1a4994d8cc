"""Hours of the week as administrators type them, one span a line: "Mon-Fri 07:00-19:00". Pure functions.

A span that ends before it begins goes on into the next day: "Fri 22:00-06:00" ends on Saturday morning. Days without
hours are whole days.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
MOST_SPANS = 50
SHOWN = 6  # spans in a sentence
EXAMPLE = "Mon-Fri 07:00-19:00"
_DAY = "[a-z]{3,9}"
_SPAN = re.compile(
    rf"({_DAY})(?:\s*[-–]\s*({_DAY}))?(?:\s+([0-9]{{1,2}}:[0-9]{{2}})\s*[-–]\s*([0-9]{{1,2}}:[0-9]{{2}}))?", re.ASCII
)
_NAMES = {
    name: number
    for number, day in enumerate(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))
    for name in (day, day[:3])
}


class BadHours(ValueError):
    """The text is no list of hours. The message tells the person why, and what to write."""


def read_hours(text: str) -> str:
    """Return the hours that a person typed as they are stored: one span a line. Raise BadHours."""
    lines = [line.strip() for line in re.split(r"[\n;]", text) if line.strip()]
    if len(lines) > MOST_SPANS:
        raise BadHours(f"These are {len(lines)} spans; at most {MOST_SPANS} fit.")
    return "\n".join(dict.fromkeys(_written(line) for line in lines))


def _written(line: str) -> str:
    found = _SPAN.fullmatch(line.lower())
    names = [name for name in (found[1], found[2]) if name] if found else []
    if found is None or any(name not in _NAMES for name in names):
        raise BadHours(f"“{line[:60]}” cannot be read as hours of the week. Write for instance {EXAMPLE}.")
    days = "-".join(DAYS[_NAMES[name]] for name in names)
    if found[3] is None:
        return f"{days} 00:00-24:00"
    begin, end = _minutes(found[3]), _minutes(found[4])
    if begin >= DAY_MINUTES or end > DAY_MINUTES or begin == end:
        raise BadHours(f"“{line[:60]}” is no span of a day. Hours go from 00:00 to 24:00, for instance {EXAMPLE}.")
    return f"{days} {_clock(begin)}-{_clock(end)}"


def is_within(now: dt.datetime, stored: str) -> bool:
    """Return whether the local time `now` lies in one of the spans."""
    minute = now.weekday() * DAY_MINUTES + now.hour * 60 + now.minute
    return any(begin <= minute < end or begin <= minute + WEEK_MINUTES < end for begin, end in _spans(stored))


def in_one_line(stored: str) -> str:
    """Return the spans, or the first of many, as a part of a sentence."""
    spans = stored.splitlines()
    more = f" and {len(spans) - SHOWN} more" if len(spans) > SHOWN else ""
    return ", ".join(spans[:SHOWN]) + more


@lru_cache(maxsize=1000)  # every request of a person with such a rule asks
def _spans(stored: str) -> tuple[tuple[int, int], ...]:
    """Return each span as minutes since Monday 00:00. One that begins on Sunday can end after the end of the week."""
    spans = []
    for line in stored.splitlines():
        days, hours = line.split(" ")
        first, _, last = days.partition("-")
        start, stop = DAYS.index(first), DAYS.index(last or first)
        begin, end = (_minutes(text) for text in hours.split("-"))
        end += DAY_MINUTES if end <= begin else 0
        for day in range(start, start + (stop - start) % 7 + 1):
            offset = day % 7 * DAY_MINUTES
            spans.append((offset + begin, offset + end))
    return tuple(spans)


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    if int(minutes) > 59:
        raise BadHours(f"{clock} is no time of day. Write for instance {EXAMPLE}.")
    return int(hours) * 60 + int(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
