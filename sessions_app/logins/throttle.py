"""Counts failed logins for each account and each address, and says when somebody has to wait.

It knows names and addresses only: an account that does not exist is counted like one that does. A try is counted before
the password is checked, so that a hundred tries at the same moment count as a hundred. It is taken back when it
succeeds, and when the console fails.

The counts are in Django's cache. Its add() and incr() must be atomic, as they are in our table, in memory, in Redis and
in Memcached; a system check refuses other caches. A window begins with its first try and is never prolonged, so that
nobody can lock somebody else out for ever with one try a minute.
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

from activity import limits
from activity.folding import fold
from activity.patience import waiting_at_most

logger = logging.getLogger(__name__)

WINDOW = dt.timedelta(minutes=15)
WAIT_SECONDS = 1.0  # seconds to wait for a busy database before a count is taken back later
MOST_DEBTS = 10_000  # tries that a process still has to take back; the oldest are dropped first
PASSWORDS, CODES = "account", "code"  # what is counted for an account: wrong passwords, wrong second factors
MOST_REFUSALS = 20  # answers of one kind from one address within a window that are logged, each by itself
IPV6_HOME = 64  # bits: one home or one machine gets a whole network of this size


class CannotCount(Exception):
    """The cache does not answer, so tries cannot be counted. The error of the cache is the cause."""


@dataclass(frozen=True)
class LoginBlock:
    """Too many failures: no password is checked before `until`.

    `is_news` is true for the first refusal of its window.
    """

    until: dt.datetime
    is_news: bool


@dataclass(frozen=True)
class _Counter:
    key: str
    limit: int


# Counts that could not be taken back yet, with the time of the monotonic clock at which their window has ended.
_debts: deque[tuple[_Counter, float]] = deque(maxlen=MOST_DEBTS)


def count_try(user_name: str, address: str, kind: str = PASSWORDS) -> LoginBlock | None:
    """Count one try. Return a LoginBlock if the account or the address had too many within 15 minutes.

    Passwords and codes of an account are counted apart, because whoever knows the password could otherwise set the
    count of wrong codes back with it. Raise CannotCount, or the error of the database; nothing is counted then.
    """
    counted: list[_Counter] = []
    blocks = []
    try:
        _take_back_owed()
        with _cache_errors():
            for counter in (_account(user_name, kind), _address(address)):
                count = _increment(counter)
                counted.append(counter)
                if count > counter.limit:
                    blocks.append(LoginBlock(_until(counter), is_news=count == counter.limit + 1))
    except (CannotCount, DatabaseError, InterfaceError):
        _take_back(counted)
        raise
    if not blocks:
        return None
    return LoginBlock(max(block.until for block in blocks), any(block.is_news for block in blocks))


def count_broken(user_name: str, address: str, kind: str = PASSWORDS) -> None:
    """Take the counted try back, because the console failed before it knew whether password or code is right."""
    _take_back([_account(user_name, kind), _address(address)])


def count_success(user_name: str, address: str, kind: str = PASSWORDS) -> None:
    """Forget the failures of the account, and take the try of the address back. Raise CannotCount."""
    with _cache_errors():
        cache.delete(_account(user_name, kind).key)
        with contextlib.suppress(ValueError):  # the window ended in between, and with it the count
            cache.decr(_address(address).key)


@contextlib.contextmanager
def _cache_errors() -> Iterator[None]:
    """Raise CannotCount for any error of the cache in this block.

    Each cache raises the errors of its own library, which are not known here. Errors of our own table are those of the
    database.
    """
    try:
        yield
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:
        raise CannotCount(f"{type(error).__name__}: {error}") from error


def _take_back(counters: Iterable[_Counter]) -> None:
    """Take one from each count.

    What cannot be written now is kept for later, because the cache is often in the database.
    """
    owed_until = time.monotonic() + WINDOW.total_seconds()
    _debts.extend((counter, owed_until) for counter in counters)
    try:
        with waiting_at_most(WAIT_SECONDS):
            _take_back_owed()
    except (CannotCount, DatabaseError, InterfaceError) as error:
        logger.warning("A login that broke stays counted for now", exc_info=error)


def _take_back_owed() -> None:
    """Subtract what this process still has to take back, unless its window has ended. Raise the error of the cache."""
    while _debts:
        counter, owed_until = debt = _debts.popleft()
        if owed_until < time.monotonic():
            continue
        try:
            with _cache_errors(), contextlib.suppress(ValueError):  # the window ended, and with it the count
                cache.decr(counter.key)
        except (CannotCount, DatabaseError, InterfaceError):
            _debts.appendleft(debt)
            raise


def _account(user_name: str, kind: str) -> _Counter:
    return _counter(kind, fold(user_name), settings.LOGIN_FAILURES_PER_ACCOUNT)


def _address(address: str) -> _Counter:
    return _counter("address", network(address), settings.LOGIN_FAILURES_PER_ADDRESS)


def _counter(kind: str, what: str, limit: int) -> _Counter:
    # Hashed, because people type passwords into the field for the name by mistake.
    return _Counter(f"login-tries:{kind}:{hashlib.sha256(what.encode()).hexdigest()}", limit)


def network(address: str) -> str:
    """Return the address itself, and for IPv6 its /64; an empty string without an address.

    There is none for a unix socket without a trusted proxy.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((ip, IPV6_HOME), strict=False)) if ip.version == 6 else str(ip)


def is_flooding(kind: str, address: str) -> bool:
    """Count a refused answer that no secret can be guessed with, such as one of a passkey.

    Return whether so many came from this address that the log has enough of them.
    """
    who = int(hashlib.sha256(network(address).encode()).hexdigest()[:12], 16)
    return limits.count(kind, who, 1, MOST_REFUSALS, int(WINDOW.total_seconds())) is not None


def _increment(counter: _Counter) -> int:
    seconds = int(WINDOW.total_seconds())
    while True:
        if cache.add(counter.key, 0, seconds):
            cache.set(f"{counter.key}:until", timezone.now() + WINDOW, seconds)
        try:
            return cache.incr(counter.key)
        except ValueError:
            continue  # the window ended between the two calls, so begin another


def _until(counter: _Counter) -> dt.datetime:
    until = cache.get(f"{counter.key}:until")
    return until if isinstance(until, dt.datetime) else timezone.now() + WINDOW
