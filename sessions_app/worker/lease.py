"""One worker at a time is at a session: a claim by compare-and-swap that runs out when its holder dies."""

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
NOBODYS = dt.timedelta(minutes=10)  # a lease that ends so much later was taken while the clock was wrong
SLOW = 5.0  # seconds after which a call is slow: the lease is renewed, and people see what is waited for


def new_owner() -> str:
    """A name that no other worker has, readable in the database."""
    return f"{socket.gethostname()[:30]}:{os.getpid()}:{secrets.token_hex(4)}"


def free(now: dt.datetime) -> Q:
    """Sessions that nobody is at."""
    return Q(lease="") | Q(lease_until__lt=now) | Q(lease_until__gt=now + LEASE + NOBODYS)


def claim(pk: int, owner: str, now: dt.datetime) -> bool:
    """Take the session for 60 seconds; False when somebody else has it."""
    values = {"lease": owner, "lease_until": now + LEASE, "waiting_for": "", "waiting_since": None}
    taken = PrivilegedSession.objects.filter(free(now), pk=pk).update(**values)
    return bool(taken)


def release(pk: int, owner: str) -> None:
    """Give it back; nothing happens when it was lost meanwhile."""
    PrivilegedSession.objects.filter(pk=pk, lease=owner).update(lease="", lease_until=None)


@contextlib.contextmanager
def kept(pk: int, owner: str) -> Iterator[None]:
    """Renew the lease for as long as a call to a slow resource takes, and say in the row what is waited for.

    Else another worker would take the rights away while this one is still giving them. The renewal dies with the
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
