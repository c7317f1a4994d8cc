"""Keep times in messages as values (2026-11-03T19:19:05Z), and show each reader theirs in the reader's own zone.

What is stored, searched and downloaded has the value.
"""

from __future__ import annotations

import datetime as dt
import re

from activity.listing.times import exact_time

TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|\+00:00)(?![\w:])", re.ASCII)


def time_value(value: dt.datetime) -> str:
    """Return a time as messages keep it: in UTC, exact to the second, in ISO 8601."""
    return f"{value.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def with_local_times(text: str) -> str:
    """Return the text with each time that it keeps as people read it, in the current zone and with its name.

    Most messages have none, and lists ask for hundreds of them, so the search begins only where a time can be.
    """
    return TIME.sub(_local, text) if ":" in text and "T" in text else text


def _local(found: re.Match[str]) -> str:
    try:
        return exact_time(dt.datetime.fromisoformat(found[0]))
    except (ValueError, OverflowError):  # there is no such day, or none in this zone: somebody else wrote it
        return found[0]
