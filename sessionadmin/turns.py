"""Lets the threads of a web process answer one after the other where they would only be in each other's way.

With SQLite everything runs in this process, and its driver hands Python's lock back at each row that it reads: with
another thread waiting for it, a page of 100 rows changes threads a hundred times, and a web process answers a third
less. So each request waits for its turn, but not for long: behind one that takes its time it goes ahead all the same.
A download has its turn until it begins. With PostgreSQL threads wait for the server, and should do so together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from django.db import connections

PATIENCE = 0.05  # seconds that a request waits for its turn; some ten pages

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def in_turns(application: Application) -> Application:
    """The same WSGI application, in turns where the database is SQLite."""
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
