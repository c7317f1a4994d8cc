"""Counts failed logins per account and per address, and says when somebody has to wait.

Knows names and addresses, neither users nor requests: an account that does not exist is counted like one that does.
A try is counted before the password is looked at, so that a hundred tries at the same moment are a hundred tries, and
taken back when it succeeds, or breaks: whom the console fails has not failed. Counts live in Django's cache; add() and
incr() must be atomic there, as they are in our table, in memory, Redis and Memcached (a system check refuses the
others). A window begins with its first try and is never prolonged, so that nobody can keep somebody else out for ever
with one try a minute.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import ipaddress
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from activity.folding import fold
from activity.patience import waiting_at_most

logger = logging.getLogger(__name__)

WINDOW = dt.timedelta(minutes=15)
PATIENCE = 1.0  # seconds to wait for a busy database before a count is taken back later
MOST_DEBTS = 10_000  # tries that a process owes; the oldest are forgotten first
IPV6_HOME = 64  # bits: one home or one machine gets a whole network of this size


class CannotCount(Exception):
    """The cache does not answer, so nobody knows how often somebody tried. Its own error is the cause."""


@dataclass(frozen=True)
class Wait:
    """Too many failures: nothing is looked at until `until`. `is_news` for the first refusal of its window."""

    until: dt.datetime
    is_news: bool


@dataclass(frozen=True)
class _Counter:
    key: str
    limit: int


# What was counted and could not be taken back, with the moment of the steady clock at which its window is surely over.
_debts: deque[tuple[_Counter, float]] = deque(maxlen=MOST_DEBTS)


def count_try(user_name: str, address: str) -> Wait | None:
    """Count one try; a Wait when the account or the address had too many within 15 minutes. Raises CannotCount, and
    what the database says; then nothing stays counted."""
    counted: list[_Counter] = []
    waits = []
    try:
        _pay()
        with _asking():
            for counter in (_account(user_name), _address(address)):
                count = _increment(counter)
                counted.append(counter)
                if count > counter.limit:
                    waits.append(Wait(_until(counter), is_news=count == counter.limit + 1))
    except (CannotCount, DatabaseError, InterfaceError):
        _give_back(counted)
        raise
    if not waits:
        return None
    return Wait(max(wait.until for wait in waits), any(wait.is_news for wait in waits))


def count_broken(user_name: str, address: str) -> None:
    """Take the counted try back: the console broke before it knew whether the password is right."""
    _give_back([_account(user_name), _address(address)])


def count_success(user_name: str, address: str) -> None:
    """Take the counted try back: forget the account's failures, and leave the address as it was before the try. Raises
    CannotCount."""
    with _asking():
        cache.delete(_account(user_name).key)
        with contextlib.suppress(ValueError):  # the window ended in between, and with it the count
            cache.decr(_address(address).key)


@contextlib.contextmanager
def _asking() -> Iterator[None]:
    """Each cache raises what its library does, which nobody here can name. Our table is the database's."""
    try:
        yield
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:
        raise CannotCount(f"{type(error).__name__}: {error}") from error


def _give_back(counters: Iterable[_Counter]) -> None:
    """Take one from each count; what cannot be taken now is owed, because the cache often lies in the same database."""
    owed_until = time.monotonic() + WINDOW.total_seconds()
    _debts.extend((counter, owed_until) for counter in counters)
    try:
        with waiting_at_most(PATIENCE):
            _pay()
    except (CannotCount, DatabaseError, InterfaceError) as error:
        logger.warning("A login that broke stays counted for now", exc_info=error)


def _pay() -> None:
    """Take back what this process owes; the end of a window ends its debts. Raises what the cache says."""
    while _debts:
        counter, owed_until = debt = _debts.popleft()
        if owed_until < time.monotonic():
            continue
        try:
            with _asking(), contextlib.suppress(ValueError):  # the window ended, and with it the count
                cache.decr(counter.key)
        except (CannotCount, DatabaseError, InterfaceError):
            _debts.appendleft(debt)
            raise


def _account(user_name: str) -> _Counter:
    return _counter("account", fold(user_name), settings.LOGIN_FAILURES_PER_ACCOUNT)


def _address(address: str) -> _Counter:
    return _counter("address", network(address), settings.LOGIN_FAILURES_PER_ADDRESS)


def _counter(kind: str, what: str, limit: int) -> _Counter:
    # Hashed: people type passwords into the field for the name, and a cache is no place for them.
    return _Counter(f"login-tries:{kind}:{hashlib.sha256(what.encode()).hexdigest()}", limit)


def network(address: str) -> str:
    """The address itself, for IPv6 its /64; empty when there is none (a unix socket without a trusted proxy)."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((ip, IPV6_HOME), strict=False)) if ip.version == 6 else str(ip)


def _increment(counter: _Counter) -> int:
    seconds = int(WINDOW.total_seconds())
    while True:
        if cache.add(counter.key, 0, seconds):
            cache.set(f"{counter.key}:until", timezone.now() + WINDOW, seconds)
        try:
            return cache.incr(counter.key)
        except ValueError:
            continue  # the window ended between the two; begin another


def _until(counter: _Counter) -> dt.datetime:
    until = cache.get(f"{counter.key}:until")
    return until if isinstance(until, dt.datetime) else timezone.now() + WINDOW
