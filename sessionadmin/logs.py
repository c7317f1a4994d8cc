"""The log of the processes: one line for an ordinary refusal, and a few for an outage that lasts.

A traceback is for a bug of ours. A person who may not do something, a wrong host name or a full disk is no bug, and
with thousands of tracebacks the log would hide what matters.
"""

from __future__ import annotations

import copy
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from activity.outage import Outage
from activity.text import plain

REPEAT_SECONDS = 300.0  # seconds between two lines about an outage that lasts
OVER_AFTER_SECONDS = 30.0  # seconds without the error after which the outage is over
LONGEST_ERROR = 300  # characters of what an exception says
# The part of an address that acts for whoever knows it (sessions_app/not_me/links.py).
SIGNED_LINK = re.compile(r"(/accounts/not-me/)[^/\s\"'?]+")


@dataclass
class _OngoingOutage:
    """An outage that has begun and is not over."""

    printed_at: float
    last_at: float
    unprinted: int = 0  # errors since the last line about it
    times: int = 1


class HideSignedLinks(logging.Filter):
    """Takes the signed part of such addresses out of records, because Django logs the address of what it refuses."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where it has one, and let it pass."""
        message = record.getMessage()
        if SIGNED_LINK.search(message):
            record.msg, record.args = SIGNED_LINK.sub(r"\1…", message), ()
        return True


class BriefHandler(logging.StreamHandler):  # type: ignore[type-arg]  # the stub's parameter does not exist at run time
    """Prints records to standard error, and refusals in one line.

    Of an outage it prints the beginning, the end, and one line every five minutes while it lasts.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lasting: dict[Outage, _OngoingOutage] = {}
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Print the shortened record. Other handlers get the whole of it."""
        self._say_ends()
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
        lasting = self._lasting.get(outage)
        if lasting is None:
            self._lasting[outage] = _OngoingOutage(now, now)
            self._look_later()
            return _in_one_line(record, plain(f"{outage.heading}: {_said_by(error)}. {record.getMessage()}"))
        lasting.last_at = now
        lasting.times += 1
        if now - lasting.printed_at < REPEAT_SECONDS:
            lasting.unprinted += 1
            return None
        more = (
            f" (This happened {lasting.unprinted} times more since the last line about it.)"
            if lasting.unprinted
            else ""
        )
        lasting.printed_at, lasting.unprinted = now, 0
        return _in_one_line(record, plain(f"{outage.heading}: {_said_by(error)}. {record.getMessage()}{more}"))

    def look(self) -> None:
        """Print which outages are over.

        A timer calls this, because a process that works again may print nothing else.
        """
        with self.lock or threading.RLock():
            self._timer = None
            self._say_ends()
            if self._lasting:
                self._look_later()

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(OVER_AFTER_SECONDS, self.look)
            self._timer.daemon = True
            self._timer.start()

    def _say_ends(self) -> None:
        now = self._clock()
        for outage, lasting in list(self._lasting.items()):
            if now - lasting.last_at >= OVER_AFTER_SECONDS:
                del self._lasting[outage]
                times = "once" if lasting.times == 1 else f"{lasting.times} times"
                ago = f"{now - lasting.last_at:.0f} seconds"
                text = f"Over: {outage.heading}. It happened {times}, the last time {ago} ago"
                super().emit(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (), None))


def _said_by(error: BaseException) -> str:
    return plain(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, LONGEST_ERROR).rstrip(".")


def _in_one_line(record: logging.LogRecord, text: str) -> logging.LogRecord:
    """Return a copy of `record` that says `text` without a traceback."""
    shown = copy.copy(record)
    shown.msg, shown.args = text, ()
    shown.exc_info = shown.exc_text = None
    return shown
