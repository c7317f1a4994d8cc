"""The only module that writes the log: record() for one entry, record_all() for many.

Call them inside the transaction of what they describe, so that both happen or neither. Knows no model of sessions; apps
say with `link_targets` where an entry's target has its page.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import models, transaction
from django.utils import timezone

from activity.appending import append
from activity.models import Level, LogEntry, Outcome
from activity.text import plain
from activity.verbs import FAILURES, REFUSALS, Verb

RECORDED_AT_ONCE = 2000  # entries of one statement

_address: ContextVar[str] = ContextVar("activity_address", default="")
_login: ContextVar[Callable[[], int | None] | None] = ContextVar("activity_login", default=None)
_origin: ContextVar[str] = ContextVar("activity_origin", default="")
_OF_VERB = {**dict.fromkeys(FAILURES, Outcome.FAILURE), **dict.fromkeys(REFUSALS, Outcome.DENIED)}
_target_urls: dict[str, Callable[[int], str]] = {}


@contextlib.contextmanager
def coming_from(address: str, login: Callable[[], int | None] | None = None) -> Iterator[None]:
    """Write this IP address, and the login session whose number `login` returns, into all entries of the block.

    The middleware wraps each request in it. It knows the login session only once somebody asks for the user.
    """
    tokens = _address.set(address), _login.set(login)
    try:
        yield
    finally:
        _address.reset(tokens[0])
        _login.reset(tokens[1])


@contextlib.contextmanager
def caused_by(origin: str) -> Iterator[None]:
    """Name `origin` as the actor of the entries in the block that no person causes, such as a SCIM token."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def current_address() -> str:
    """Return the address that entries get here, for work that goes on after the request, such as a download."""
    return _address.get()


def current_login_id() -> int | None:
    """Return the number of the login session that entries get here; None where no browser asked."""
    login = _login.get()
    return login() if login is not None else None


def record(
    verb: Verb,
    message: str,
    *,
    actor: AbstractBaseUser | None = None,
    user: AbstractBaseUser | None = None,
    user_name: str = "",
    target: models.Model | None = None,
    level: Level = Level.INFO,
    outcome: Outcome | None = None,
    details: Mapping[str, Any] | None = None,
    at: dt.datetime | None = None,
) -> LogEntry:
    """Append one entry and return it.

    `actor` did it (None: the system itself, or what caused_by() names); `user` is whom it concerns, the actor when not
    given; `user_name` names somebody who has no account (a failed login). Text loses its control characters first.
    `outcome` is what the verb says (verbs.py) when it is not given. `details` must be JSON and must hold no secret.
    `at` is for sample data and imports alone: when it happened; everything else happens now.
    """
    entry = draft(
        verb,
        message,
        actor=actor,
        user=user,
        user_name=user_name,
        target=target,
        level=level,
        outcome=outcome,
        details=details,
        at=at,
    )
    append(entry)
    return entry


def draft(
    verb: Verb,
    message: str,
    *,
    actor: AbstractBaseUser | None = None,
    user: AbstractBaseUser | None = None,
    user_name: str = "",
    target: models.Model | None = None,
    level: Level = Level.INFO,
    outcome: Outcome | None = None,
    details: Mapping[str, Any] | None = None,
    at: dt.datetime | None = None,
) -> LogEntry:
    """Return an entry that is not written yet, for record_all(). The parameters are those of record()."""
    user = user or actor
    return LogEntry(
        verb=Verb(verb),
        level=Level(level),
        message=plain(message, 1000),
        actor_id=actor.pk if actor else None,
        actor_name=plain(actor.get_username() if actor else _origin.get(), 150),
        user_id=user.pk if user else None,
        user_name=plain(user.get_username() if user else user_name, 150),
        target_type=target._meta.label_lower if target is not None else "",
        target_id=target.pk if target is not None else None,
        target_name=plain(target, 200) if target is not None else "",
        ip=_address.get() or None,
        login_id=current_login_id(),
        details=dict(details or {}),
        outcome=_OF_VERB.get(verb, Outcome.SUCCESS) if outcome is None else Outcome(outcome),
        at=at or timezone.now(),
    )


def record_all(entries: Iterable[LogEntry]) -> int:
    """Append drafts in the given order, in one transaction. Return how many there were."""
    count = 0
    remaining = iter(entries)
    with transaction.atomic():
        while batch := list(itertools.islice(remaining, RECORDED_AT_ONCE)):
            count += len(LogEntry.objects.bulk_create(batch))
    return count


@contextlib.contextmanager
def importing(what: str) -> Iterator[None]:
    """Record, in one transaction with the block, which entries it added with times of their own.

    So they are told from entries that somebody dated back (integrity.py).
    """
    with transaction.atomic():
        before = _newest()
        yield
        first, last = before + 1, _newest()
        if last >= first:
            record(
                Verb.LOG_IMPORTED,
                f"Entries {first:,} to {last:,} were loaded with the times that they bear: {what}",
                level=Level.WARNING,
                details={"first": first, "last": last},
            )


def _newest() -> int:
    return LogEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def link_targets(label: str, url: Callable[[int], str]) -> None:
    """Say where objects of the model `label` ("app.model", lower case) have their page; called once at start."""
    _target_urls[label] = url


def target_url(entry: LogEntry) -> str:
    """Return the address of the page of the entry's target; empty when it has none."""
    resolve = _target_urls.get(entry.target_type)
    return resolve(entry.target_id) if resolve and entry.target_id is not None else ""
