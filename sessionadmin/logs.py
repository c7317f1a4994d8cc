"""What the processes print: one line for an ordinary refusal, and now and then one for an outage that lasts.

A traceback is for a fault of ours. A person who may not do something, a host name that is not ours or a full disk is
none, and with thousands of them the log would hide what matters.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable

from activity.outage import Outage
from activity.text import plain

QUIET = 300.0  # seconds in which a process says the same outage once
LONGEST = 300  # characters of what an exception says


class BriefHandler(logging.StreamHandler):  # type: ignore[type-arg]  # the stub's parameter does not exist at run time
    """Print records to standard error; refusals in one line, outages in one line every five minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[Outage, tuple[float, int]] = {}  # when it was said last, and how often not since

    def emit(self, record: logging.LogRecord) -> None:
        """Print what is left of `record`; others that handle it get it whole."""
        shown = self._brief(record)
        if shown is not None:
            super().emit(shown)

    def _brief(self, record: logging.LogRecord) -> logging.LogRecord | None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return record
        outage = Outage.of(error)
        if outage is not None:
            return self._of_outage(record, error, outage)
        if getattr(record, "status_code", 500) < 500:  # set by Django for each answer that it logs
            message = record.getMessage()
            is_said = bool(str(error)) and str(error) in message
            return _in_one_line(record, plain(message if is_said else f"{message}: {_said_by(error)}"))
        return record

    def _of_outage(self, record: logging.LogRecord, error: BaseException, outage: Outage) -> logging.LogRecord | None:
        now = self._clock()
        said_at, unsaid = self._said.get(outage, (-QUIET, 0))
        if now - said_at < QUIET:
            self._said[outage] = (said_at, unsaid + 1)
            return None
        self._said[outage] = (now, 0)
        more = f" (and {unsaid} times more since this was said last)" if unsaid else ""
        return _in_one_line(record, plain(f"{outage.heading}: {_said_by(error)}. {record.getMessage()}{more}"))


def _said_by(error: BaseException) -> str:
    return plain(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, LONGEST).rstrip(".")


def _in_one_line(record: logging.LogRecord, text: str) -> logging.LogRecord:
    """Return a copy of `record` that says `text` without a traceback."""
    shown = copy.copy(record)
    shown.msg, shown.args = text, ()
    shown.exc_info = shown.exc_text = None
    return shown
