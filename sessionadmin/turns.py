"""Let the threads of a web process answer one after the other on SQLite.

With SQLite everything runs in this process, and its driver gives up Python's lock at each row that it reads. When
another thread waits for the lock, a page of 100 rows changes threads a hundred times. So each request waits for its
turn, but not for long: behind a slow request it starts anyway. A download has its turn until it begins. With PostgreSQL
threads wait for the server, and should do so at the same time.

With five threads and 16 clients at once, one web process answers 34 pages a second in turns and 27 without, for 11.3
and 12.1 ms of CPU each (docs/decisions/0017-speed-that-is-felt.md). One thread answers 17, and whoever asks for
something slow would hold it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connections

PATIENCE = 0.05  # seconds that a request waits for its turn, in which some ten pages are answered

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def in_turns(application: Application) -> Application:
    """Return the WSGI application, which answers in turns where the database is SQLite."""
    if connections["default"].vendor != "sqlite":
        return application
    turn = threading.Lock()

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        has_turn = turn.acquire(timeout=PATIENCE)
        try:
            return application(environ, start_response)
        finally:
            if has_turn:
                turn.release()

    return answer
