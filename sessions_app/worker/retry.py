"""Decide when to try again, and which failures are worth an entry in the log. Pure functions."""

from __future__ import annotations

import datetime as dt
import random

FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = 300.0  # seconds
JITTER = 0.2  # so that a hundred sessions do not reach a host that comes back in the same second


def pause(attempts: int) -> dt.timedelta:
    """Return how long to wait after the `attempts`-th failure in a row.

    The pause is 1 s, doubles with each failure up to 5 minutes, and varies by 20 % either way.
    """
    seconds = min(FIRST_PAUSE * 2 ** min(max(attempts - 1, 0), 16), LONGEST_PAUSE)
    return dt.timedelta(seconds=seconds * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - not a secret


def is_worth_logging(attempts: int, error: str, last_error: str) -> bool:
    """Return whether to log this failure: the first, a different one, then the 2nd, 4th, 8th, 16th ..."""
    return error != last_error or attempts & (attempts - 1) == 0
