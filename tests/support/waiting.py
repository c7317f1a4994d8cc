"""How long a test waits before something counts as broken, and the waits themselves.

TEST_PATIENCE=5 makes every wait five times as long, for a machine that is busy with other work.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

FACTOR = float(os.environ.get("TEST_PATIENCE", "1"))


def seconds(usual: float) -> float:
    """Return how many seconds to wait where a machine that is not busy needs at most `usual`."""
    return usual * FACTOR


def milliseconds(usual: float) -> float:
    """Return how long to wait in milliseconds, the unit of Playwright."""
    return usual * FACTOR


PATIENCE = seconds(30)  # reached only when something is broken
START_PATIENCE = seconds(
    150
)  # for a program that first migrates a database and makes sample data: 12 s of processor time
BROWSER_PATIENCE = milliseconds(20_000)  # a page notices a logout within 10 seconds


def wait_until(is_so: Callable[[], bool], what: str = "what the test waits for", patience: float = PATIENCE) -> None:
    """Return as soon as `is_so()` is true; fail the test, naming `what`, when that takes longer than `patience`."""
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, f"still not so: {what}"
        time.sleep(0.02)


async def until(is_so: Callable[[], bool], what: str) -> None:
    """Return as soon as `is_so()` is true; fail the test, naming `what`, when that takes too long."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not is_so():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"still not so: {what}") from None
