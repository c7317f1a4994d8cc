"""The times for which sessions are booked, and whether two of them overlap. Pure, without a query."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Booking:
    """The time for which another session has, or may have, its rights: from `start` until just before `end`."""

    session_id: int
    user_id: int
    start: dt.datetime
    end: dt.datetime
    says: str  # what a person is told of it, such as "until 2026-03-01 12:00 UTC"


def first_overlap(bookings: Sequence[Booking], start: dt.datetime, lasts: dt.timedelta) -> Booking | None:
    """Return the first booking that shares a moment with a session from `start` that lasts `lasts`."""
    found = [one for one in bookings if one.start < start + lasts and start < one.end]
    return min(found, key=lambda one: (one.start, one.session_id), default=None)
