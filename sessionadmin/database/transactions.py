"""Log each transaction that holds the database for more than a second, with the code that opened it.

Meanwhile nobody else can write on SQLite, and nobody else can change the same rows on PostgreSQL. What takes long
(asking a host, computing the hash of a password, sending a mail) belongs before or after a transaction.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

LONG = 1.0  # seconds
MOST_CALLERS = 4
HERE = str(Path(__file__).resolve().parent.parent.parent)
NOT_THE_ORIGIN = ("/site-packages/", "/contextlib.py", "/threading.py", "/concurrent/", __file__)


class TimedTransactions(BaseDatabaseWrapper):
    """Measures each transaction of a backend from its begin to its end."""

    _began_at: float | None = None
    _waited = 0.0  # seconds until it had begun: SQLite waits for its lock there

    def set_autocommit(self, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False) -> None:
        """Begin a transaction, or go back to none."""
        asked_at = time.monotonic()
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
        if not autocommit:
            self._began_at = time.monotonic()
            self._waited = self._began_at - asked_at

    def commit(self) -> None:
        """Commit, and log the transaction if it was long."""
        ended_at = time.monotonic()
        super().commit()
        self._over(ended_at)

    def rollback(self) -> None:
        """Roll back, and log the transaction if it was long."""
        ended_at = time.monotonic()
        super().rollback()
        self._over(ended_at)

    def close(self) -> None:
        """Close the connection; the database rolls back what was open."""
        super().close()
        self._began_at = None

    def _over(self, ended_at: float) -> None:
        began_at, self._began_at = self._began_at, None
        if began_at is None:
            return
        now = time.monotonic()
        if now - began_at >= LONG:
            logger.warning(
                "A transaction held the database for %.1f s (%.1f s of them to commit; it had waited %.1f s): %s",
                now - began_at,
                now - ended_at,
                self._waited,
                " < ".join(_callers()) or "unknown",
            )


def _callers() -> Iterator[str]:
    """Yield the innermost callers that are neither Django nor Python itself."""
    frame: Any = sys._getframe(1)
    count = 0
    while frame is not None and count < MOST_CALLERS:
        path = frame.f_code.co_filename
        if not any(part in path for part in NOT_THE_ORIGIN):
            yield f"{path.removeprefix(HERE + '/')}:{frame.f_lineno} {frame.f_code.co_name}"
            count += 1
        frame = frame.f_back
