"""Durations as people type and read them: "60 min", "1h", "2 h 30", "1 day". Pure functions.

A number without a unit is refused, because nobody can tell minutes from hours. Only the last number may lack its unit
if the one before it has one: "2 h 30" means 30 minutes, the next smaller unit. With colons it is hours and minutes, or
hours, minutes and seconds.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

UNITS = (
    ("day", 86_400, ("d", "day", "days")),
    ("hour", 3_600, ("h", "hr", "hrs", "hour", "hours")),
    ("minute", 60, ("m", "min", "mins", "minute", "minutes")),
    ("second", 1, ("s", "sec", "secs", "second", "seconds")),
)
WEEK = ("w", "week", "weeks")
_SECONDS = {word: seconds for _, seconds, words in UNITS for word in words} | dict.fromkeys(WEEK, 7 * 86_400)
_NEXT_SMALLER = {7 * 86_400: 86_400, 86_400: 3_600, 3_600: 60, 60: 1}
_PART = re.compile(r"\s*(?:and\s+|,\s*)?([0-9]{1,9}(?:[.,][0-9]{1,3})?)\s*([a-z]*)\.?", re.ASCII)
_WITH_COLONS = re.compile(r"([0-9]{1,5}):([0-5]?[0-9])(?::([0-5]?[0-9]))?", re.ASCII)
LONGEST = dt.timedelta(days=3_650)
LONGEST_TEXT = 60  # characters
EXAMPLES = "30 min, 2 h, 2 h 30 or 1 day"


class BadDuration(ValueError):
    """The text is not a duration. The message tells the person why, and what to write."""


def read_duration(text: str) -> dt.timedelta:
    """Return the duration that a person typed. Raise BadDuration."""
    text = text.strip().lower()
    if len(text) > LONGEST_TEXT:
        raise BadDuration(f"Write a shorter text, for instance {EXAMPLES}.")
    if found := _WITH_COLONS.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return _within_limit(hours * 3_600 + minutes * 60 + seconds)
    return _within_limit(_seconds_of(text))


def _seconds_of(text: str) -> float:
    total, unit, position = 0.0, 0, 0
    while position < len(text):
        found = _PART.match(text, position)
        if found is None or (found[2] and found[2] not in _SECONDS):
            raise BadDuration(f"“{text}” cannot be read as a duration. Write for instance {EXAMPLES}.")
        if re.search(r"[.,][0-9]{3}", found[1]):
            raise BadDuration(f"“{found[1]}” could be a thousand or a fraction. Write the number without a separator.")
        number = float(found[1].replace(",", "."))
        if found[2]:
            size = _SECONDS[found[2]]
        elif unit and found.end() == len(text) and unit in _NEXT_SMALLER:
            size = _NEXT_SMALLER[unit]
        else:
            raise BadDuration(f"Add the unit: {found[1]} min, or {found[1]} h?")
        if unit and size >= unit:
            raise BadDuration("Write the larger unit first and each unit once, for instance 2 h 30 min.")
        total, unit, position = total + number * size, size, found.end()
    if not text:
        raise BadDuration(f"Write a duration, for instance {EXAMPLES}.")
    return total


def _within_limit(seconds: float) -> dt.timedelta:
    if seconds > LONGEST.total_seconds():
        raise BadDuration("Write at most 3650 days.")
    return dt.timedelta(seconds=round(seconds))


def write_duration(value: dt.timedelta) -> str:
    """Return the duration as somebody would type it, for instance "2 h 30 min"."""
    return _written(value, lambda unit, number: f"{number} {_short(unit, number)}") or "0 s"


def in_words(value: dt.timedelta) -> str:
    """Return the duration in whole words, for instance "2 hours 30 minutes"."""
    return _written(value, lambda unit, number: f"{number} {unit}{'' if number == 1 else 's'}") or "no time"


def _short(unit: str, number: int) -> str:
    return {"day": "day" if number == 1 else "days", "hour": "h", "minute": "min", "second": "s"}[unit]


def _written(value: dt.timedelta, write: Callable[[str, int], str]) -> str:
    rest, parts = int(value.total_seconds()), []
    for unit, seconds, _ in UNITS:
        number, rest = divmod(rest, seconds)
        if number:
            parts.append(write(unit, number))
    return " ".join(parts)
