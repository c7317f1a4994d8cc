"""Let only one worker at a time handle a session, by a lease that runs out when its holder dies."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Q
from django.utils import timezone

from sessions_app.hosts.connectors import progress
from sessions_app.privileged.models import PrivilegedSession

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=60)
IMPLAUSIBLE_AFTER = dt.timedelta(minutes=10)  # a lease that ends later than that was taken while the clock was wrong
SLOW = 5.0  # seconds after which a call counts as slow: the lease is renewed, and people see what is waited for


def new_owner() -> str:
    """Return a name that no other worker has and that people can read in the database."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(4)}"


def free(now: dt.datetime) -> Q:
    """Return the condition for sessions that no worker holds."""
    return Q(lease="") | Q(lease_until__lt=now) | Q(lease_until__gt=now + LEASE + IMPLAUSIBLE_AFTER)


def claim(pk: int, owner: str, now: dt.datetime) -> bool:
    """Take the session for 60 seconds. Return False when another worker has it."""
    values = {"lease": owner, "lease_until": now + LEASE, "waiting_for": "", "waiting_since": None}
    taken = PrivilegedSession.objects.filter(free(now), pk=pk).update(**values)
    return bool(taken)


def release(pk: int, owner: str) -> None:
    """Give the session back. Do nothing when another worker has taken it meanwhile."""
    PrivilegedSession.objects.filter(pk=pk, lease=owner).update(lease="", lease_until=None)


@contextlib.contextmanager
def renewed_lease(pk: int, owner: str) -> Iterator[None]:
    """Renew the lease while a call to a slow resource lasts, and show in the row what is waited for.

    Otherwise another worker would take the rights away while this one still gives them. The renewal ends with the
    process, as it must.
    """
    done = threading.Event()
    with progress.watched() as step:
        renewal = threading.Thread(target=_renew, args=(pk, owner, done, step), name=f"lease-{pk}", daemon=True)
        renewal.start()
        try:
            yield
        finally:
            done.set()
            renewal.join()


def _renew(pk: int, owner: str, done: threading.Event, step: progress.Step) -> None:
    is_slow = False
    while not done.wait(SLOW):
        is_slow = True
        _write(pk, owner, lease_until=timezone.now() + LEASE, waiting_for=step.text[:200], waiting_since=step.since)
    if is_slow:
        _write(pk, owner, waiting_for="", waiting_since=None)


def _write(pk: int, owner: str, **values: Any) -> None:
    try:
        PrivilegedSession.objects.filter(pk=pk, lease=owner).update(**values)
    except (DatabaseError, InterfaceError):
        logger.exception("The lease of session %s was not renewed; trying again", pk)
    finally:
        connection.close()
