"""Write and remove the searchable lines of a recording, a few in each transaction.

A long recording has some hundred thousand lines, and indexing them takes seconds. On SQLite nobody else could write
meanwhile: no lock, no logout, no login. So others get their turn after each batch.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable

from django.db import connection

from sessions_app.gateway.recordings.models import Recording, RecordingText
from sessions_app.gateway.recordings.screen_text import ScreenLine

LINES_PER_WRITE = 500  # lines; some 40 ms
LONGEST_PAUSE = 1.0  # seconds


def replace(recording: Recording, lines: Iterable[ScreenLine], is_mine: Callable[[], bool]) -> bool:
    """Give the recording exactly these lines.

    Return False as soon as `is_mine`, which is asked before each batch, says that somebody else handles the recording.
    """
    if not remove(recording, is_mine):
        return False
    remaining = iter(lines)
    while batch := list(itertools.islice(remaining, LINES_PER_WRITE)):
        began = time.monotonic()
        if not is_mine():
            return False
        RecordingText.objects.bulk_create(
            [RecordingText(recording=recording, at=line.at, text=line.text) for line in batch]
        )
        _let_others(began)
    return True


def remove(recording: Recording, is_mine: Callable[[], bool] = lambda: True) -> bool:
    """Remove the recording's lines. Return False as soon as `is_mine` says that somebody else handles it."""
    there = RecordingText.objects.filter(recording=recording).order_by("pk").values_list("pk", flat=True)
    while pks := list(there[:LINES_PER_WRITE]):
        began = time.monotonic()
        if not is_mine():
            return False
        RecordingText.objects.filter(pk__in=pks).delete()
        _let_others(began)
    return True


def _let_others(began: float) -> None:
    """Pause long enough for others to write on SQLite.

    Whoever waits for its lock looks every tenth of a second at most, and would miss a shorter pause.
    """
    if connection.vendor == "sqlite":
        time.sleep(min(time.monotonic() - began, LONGEST_PAUSE))
