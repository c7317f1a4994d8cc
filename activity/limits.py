"""Limit what one person may ask for, so that nobody harms the others: how often, and how many at the same time.

Counts and slots live in Django's cache, so that all web processes share them. If the cache does not answer, nothing is
refused, so that people who are logged in can go on. Failed logins, which must stay limited even then, are counted by
logins/throttle.py.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from django.core.cache import cache
from django.db import connections

from activity.patience import waiting_at_most

MINUTE = 60  # seconds
MOST_UNSHARED = 60  # requests that a process counts by itself before it adds them to the count in the cache
PER_SECOND = 20  # each second that the console works on a request counts as so many more requests
MOST_FOR_ONE = 100  # one request counts as at most so many
SLOT_SECONDS = 60  # seconds that a slot is kept when its process dies
RENEW_EVERY = 20  # seconds
CACHE_WAIT_SECONDS = 1.0  # seconds to wait for a busy database

T = TypeVar("T")
logger = logging.getLogger(__name__)


class TooMany(Exception):
    """A person is over a limit. The message is written for that person; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def count(kind: str, who: int, by: int, limit: int, seconds: int) -> int | None:
    """Count `by` more of `kind` for the person `who`, within a window of `seconds` that all persons share.

    Return None while the count is within `limit`, else the seconds until the window is over.
    """
    now = time.time()
    key = f"limit:{kind}:{who}:{int(now // seconds)}"

    def counted() -> int:
        cache.add(key, 0, seconds)
        return cache.incr(key, by)

    total = _asked(counted, 0)
    return max(1, round(seconds - now % seconds)) if total > limit else None


@dataclass
class Requests:
    """Counts the requests of each person in the running minute.

    A process counts up to MOST_UNSHARED requests of a person by itself before it asks the cache, so that ordinary work
    costs the cache nothing. So a person can make up to MOST_UNSHARED requests above the limit in each process.
    """

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _minute: int = 0
    _unshared: dict[int, int] = field(default_factory=dict)  # by person: requests that the cache does not count yet
    _over: dict[int, float] = field(default_factory=dict)  # by person: until when requests are refused

    def refused(self, who: int) -> int:
        """Return the seconds that the person has to wait; 0 when they need not."""
        return max(0, round(self._over.get(who, 0.0) - time.time()))

    def note(self, who: int, seconds: float, limit: int) -> None:
        """Count a request that was answered. `seconds` is how long the console worked on it."""
        now = time.time()
        with self._lock:
            if self._minute != int(now // MINUTE):
                self._minute = int(now // MINUTE)
                self._unshared.clear()
                self._over.clear()
            unshared = self._unshared.get(who, 0) + min(1 + int(seconds * PER_SECOND), MOST_FOR_ONE)
            self._unshared[who] = unshared if unshared < MOST_UNSHARED else 0
        if unshared >= MOST_UNSHARED and (wait := count("requests", who, unshared, limit, MINUTE)) is not None:
            with self._lock:
                self._over[who] = now + wait

    def forget(self) -> None:
        """Forget what this process counted, and until when it refuses people."""
        with self._lock:
            self._unshared.clear()
            self._over.clear()


requests = Requests()
_seen: dict[tuple[str, int, str], float] = {}  # kind, person and holder of a slot: when the cache was last asked


@dataclass(frozen=True)
class Slot:
    """One of the few slots that a person has for things that are open at the same time.

    `key` is empty if the cache did not answer: then the slot is not counted.
    """

    key: str
    what: str

    def renew(self) -> None:
        """Keep the slot for SLOT_SECONDS more."""
        _asked(lambda: cache.set(self.key, self.what, SLOT_SECONDS), None)

    def release(self) -> None:
        """Give the slot back, so that another request can take it."""
        keeper.drop(self)
        if self.key:
            _asked(lambda: cache.delete(self.key), False)


def hold(kind: str, who: int, what: str, limit: int) -> bool:
    """Return whether `what` has one of the `limit` slots of the person.

    It keeps the slot for SLOT_SECONDS from the last call. The cache is asked only every RENEW_EVERY seconds.
    """
    what = hashlib.sha256(what.encode()).hexdigest()
    now = time.monotonic()
    if _seen.get((kind, who, what), 0.0) > now - RENEW_EVERY:
        return True
    is_held = _take(kind, who, what, limit) is not None
    if is_held:
        for old in [key for key, at in list(_seen.items()) if at < now - SLOT_SECONDS]:
            _seen.pop(old, None)
        _seen[kind, who, what] = now
    return is_held


def take(kind: str, who: int, limit: int) -> Slot | None:
    """Take one of the `limit` slots of the person, until it is released or this process dies.

    Returns None when all are taken.
    """
    slot = _take(kind, who, secrets.token_hex(8), limit)
    if slot is not None and slot.key:
        keeper.keep(slot)
    return slot


def _take(kind: str, who: int, what: str, limit: int) -> Slot | None:
    keys = [f"slot:{kind}:{who}:{number}" for number in range(limit)]

    def taken() -> Slot | None:
        found = cache.get_many(keys)
        for key, holder in found.items():
            if holder == what:
                cache.set(key, what, SLOT_SECONDS)
                return Slot(key, what)
        free = (key for key in keys if key not in found and cache.add(key, what, SLOT_SECONDS))
        key = next(free, None)
        return None if key is None else Slot(key, what)

    uncounted: Slot | None = Slot("", what)
    return _asked(taken, uncounted)


def _asked(ask: Callable[[], T], otherwise: T) -> T:
    """Return what the cache answers, or `otherwise` when it does not answer.

    A cache in a busy SQLite database is not waited for: the person who asked waits as well, often for an answer that is
    ready, and a limit that is not checked does less harm.
    """
    try:
        with waiting_at_most(CACHE_WAIT_SECONDS):
            return ask()
    except Exception:
        # The kind of error depends on the library of the cache, so it cannot be named here. A cache that is away must
        # not keep people from their work.
        logger.warning("The cache does not answer, so a limit was not checked", exc_info=True)
        return otherwise


class Keeper:
    """Renews the slots that this process holds, in a thread that ends when there are none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[Slot] = set()
        self._is_running = False

    def keep(self, slot: Slot) -> None:
        """Renew this slot until it is dropped."""
        with self._lock:
            self._held.add(slot)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="slots", daemon=True).start()

    def drop(self, slot: Slot) -> None:
        """Stop renewing this slot."""
        with self._lock:
            self._held.discard(slot)

    def _run(self) -> None:
        while True:
            time.sleep(RENEW_EVERY)
            with self._lock:
                held = list(self._held)
                if not held:
                    self._is_running = False
                    return
            for slot in held:
                slot.renew()
            connections.close_all()


keeper = Keeper()


def forget() -> None:
    """Forget what this process has counted by itself; what the cache holds is not touched."""
    requests.forget()
    _seen.clear()
