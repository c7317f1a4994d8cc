"""When to try again, and which failures are worth a line in the log. Pure."""

from __future__ import annotations

import datetime as dt
import random

FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = 300.0  # seconds
JITTER = 0.2  # so that a hundred sessions do not knock at a host that comes back in the same second


def pause(attempts: int) -> dt.timedelta:
    """How long to wait after the `attempts`-th failure in a row: 1 s, doubling to 5 minutes, 20% more or less."""
    seconds = min(FIRST_PAUSE * 2 ** min(max(attempts - 1, 0), 16), LONGEST_PAUSE)
    return dt.timedelta(seconds=seconds * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - not a secret


def is_worth_saying(attempts: int, error: str, last_error: str) -> bool:
    """The first failure, another failure than before, and then ever more rarely: 2nd, 4th, 8th, 16th ..."""
    return error != last_error or attempts & (attempts - 1) == 0
