"""record(): the only writer of the activity log.

Call it inside the transaction of what it describes, so that both happen or neither. Knows no model of sessions; apps
say with `link_targets` where an entry's target has its page.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import models

from activity.models import Level, LogEntry
from activity.text import plain
from activity.verbs import Verb

_address: ContextVar[str] = ContextVar("activity_address", default="")
_target_urls: dict[str, Callable[[int], str]] = {}


@contextlib.contextmanager
def coming_from(address: str) -> Iterator[None]:
    """Entries recorded inside carry this IP address. The middleware wraps each request in it."""
    token = _address.set(address)
    try:
        yield
    finally:
        _address.reset(token)


def current_address() -> str:
    """The address that entries carry here; for work that goes on after the request (a streamed download)."""
    return _address.get()


def record(
    verb: Verb,
    message: str,
    *,
    actor: AbstractBaseUser | None = None,
    user: AbstractBaseUser | None = None,
    user_name: str = "",
    target: models.Model | None = None,
    level: Level = Level.INFO,
    details: Mapping[str, Any] | None = None,
) -> LogEntry:
    """Append one entry and return it.

    `actor` did it (None: the system itself); `user` is whom it concerns, the actor when not given; `user_name` names
    somebody who has no account (a failed login). Text loses its control characters first. `details` must be JSON and
    must hold no secret.
    """
    user = user or actor
    return LogEntry.objects.create(
        verb=Verb(verb),
        level=Level(level),
        message=plain(message, 1000),
        actor_id=actor.pk if actor else None,
        actor_name=plain(actor.get_username(), 150) if actor else "",
        user_id=user.pk if user else None,
        user_name=plain(user.get_username() if user else user_name, 150),
        target_type=target._meta.label_lower if target is not None else "",
        target_id=target.pk if target is not None else None,
        target_name=plain(target, 200) if target is not None else "",
        ip=_address.get() or None,
        details=dict(details or {}),
    )


def link_targets(label: str, url: Callable[[int], str]) -> None:
    """Say where objects of the model `label` ("app.model", lower case) have their page; called once at start."""
    _target_urls[label] = url


def target_url(entry: LogEntry) -> str:
    """The page of the entry's target, or an empty string when it has none."""
    resolve = _target_urls.get(entry.target_type)
    return resolve(entry.target_id) if resolve and entry.target_id is not None else ""
