"""Work that is done again and again: by a thread of its own, or in the passes of another one."""

from __future__ import annotations

import abc
import logging
import threading
import time
from collections.abc import Callable

from django.db import close_old_connections, connection

logger = logging.getLogger(__name__)


class RepeatingThread(abc.ABC):
    """A thread that calls `look()` again and again, until `stop` is set.

    Whatever fails is logged as `problem`, and the next look tries again.
    """

    name: str
    every: float  # seconds between looks
    problem: str

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._thread = threading.Thread(target=self._run, name=self.name)

    @abc.abstractmethod
    def look(self) -> object:
        """Do once what is due."""

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Wait for what is under way."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.every):
            close_old_connections()
            try:
                self.look()
            except Exception:
                # The thread must not end for ever: nobody would notice before its work is missed.
                logger.exception("%s; trying again", self.problem)
        connection.close()  # each thread has its own connection


class RegularTask:
    """Something that is done at most once in `every` seconds, however often `look()` is called."""

    def __init__(self, every: float, do: Callable[[], object]) -> None:
        self._every = every
        self._do = do
        self._next = 0.0

    def look(self) -> None:
        """Do it if it is due. What fails is due again at once."""
        if time.monotonic() >= self._next:
            self._do()
            self._next = time.monotonic() + self._every
