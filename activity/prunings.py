"""Reads what the entries say that tell of prunings, for those who follow what was deleted."""

from __future__ import annotations

import datetime as dt


def pruned_before(at: dt.datetime, details: object) -> dt.datetime | None:
    """Return the time before which entries were deleted, as an entry `log.pruned` of the time `at` has it.

    Return None if it has none that the database could have written: whoever owns it can forge such an entry. What was
    deleted without a statement is named by verify_log.
    """
    said = details.get("before") if isinstance(details, dict) else None
    if not isinstance(said, str):
        return None
    try:
        before = dt.datetime.fromisoformat(said)
        if before.tzinfo is None:
            return None
        before = before.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
    # In the last year that a date has, nobody can ask for the quarter of an hour after it.
    return before if before <= at and before.year < dt.MAXYEAR else None
