"""Decide which sessions are handled at the same time: a few at each resource, so that a dead one stops no other.

A thread that waits for a dead host is lost until the host's timeout. So one resource gets a few threads at most. A
resource where the last step failed gets one, and all such resources together get half of the threads. This module knows
neither database nor clock: it is offered what is due, and calls `work`.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

logger = logging.getLogger(__name__)

# Sessions at one resource at a time; as many as connections (hosts/connectors/ssh/transport.py).
SESSIONS_AT_ONE_RESOURCE = 4


@dataclass(frozen=True, slots=True)
class Due:
    """A session that needs a step. `has_trouble` says that its last step at the resource failed."""

    pk: int
    resource_id: int
    has_trouble: bool


class Scheduler:
    """The threads of one worker. Sessions without a free thread wait here until the next offer replaces them."""

    def __init__(self, threads: int, work: Callable[[int], None]) -> None:
        self._threads = threads
        self._few = max(1, min(SESSIONS_AT_ONE_RESOURCE, threads // 2))
        self._work = work
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="worker")
        self._lock = threading.Lock()
        self._waiting: list[Due] = []
        self._under_way: dict[int, Due] = {}
        self._troubled: set[int] = set()

    def offer(self, due: Sequence[Due]) -> None:
        """Begin as many of these sessions as there is room for; the others follow when a thread is free."""
        with self._lock:
            self._waiting = list(due)
            self._troubled = {one.resource_id for one in due if one.has_trouble}
            self._begin()

    def finish(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        with self._lock:
            self._waiting = []
        self._pool.shutdown()

    def _begin(self) -> None:
        """Give every free thread a session. To be called with the lock held."""
        at = Counter(one.resource_id for one in self._under_way.values())
        in_trouble = sum(at[resource] for resource in self._troubled)
        later = []
        for one in self._waiting:
            is_troubled = one.resource_id in self._troubled
            if (
                one.pk in self._under_way
                or len(self._under_way) >= self._threads
                or at[one.resource_id] >= (1 if is_troubled else self._few)
                or (is_troubled and in_trouble >= max(1, self._threads // 2))
            ):
                later.append(one)
                continue
            at[one.resource_id] += 1
            in_trouble += is_troubled
            self._under_way[one.pk] = one
            self._pool.submit(self._do, one)
        self._waiting = later

    def _do(self, one: Due) -> None:
        try:
            self._work(one.pk)
        except Exception:
            logger.exception("Session %s: its lease runs out, then it is tried again", one.pk)
        finally:
            with self._lock:
                del self._under_way[one.pk]
                # The next look decides whether it is due again; an offer that came twice does not.
                self._waiting = [other for other in self._waiting if other.pk != one.pk]
                self._begin()
