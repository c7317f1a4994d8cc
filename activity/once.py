"""Writes an entry once, where the same thing happens many times: a person reads the same, or is refused the same.

The log itself says what was written in the last quarter of an hour, so all processes agree. Each process remembers it
too, so that to read a list again costs no query.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from activity import log
from activity.models import Level, LogEntry, Outcome
from activity.verbs import Verb

WINDOW = dt.timedelta(minutes=15)
MOST_REMEMBERED = 10_000
LAST = " Further ones like it are left out for up to 15 minutes."
Key = tuple[object, ...]

_until: dict[Key, float] = {}  # what the log holds, and until when it need not be written again


def record_once(
    verb: Verb,
    message: str,
    *,
    actor: AbstractBaseUser | None = None,
    user: AbstractBaseUser | None = None,
    target: models.Model | None = None,
    level: Level = Level.INFO,
    outcome: Outcome | None = None,
    details: Mapping[str, Any] | None = None,
    most: int | None = None,
) -> LogEntry | None:
    """Append an entry as log.record() does, unless the log holds the same one from the last 15 minutes.

    The same has the same verb, message, details, target and actor; without an actor, the same IP address. Return the
    entry, or None. `most` is how many entries of the verb there may be within 15 minutes, of one actor or of all
    without an actor; the last of them says that further ones are left out.
    """
    draft = log.draft(verb, message, actor=actor, user=user, target=target, details=details)
    same = {"target_type": draft.target_type, "target_id": draft.target_id}
    same |= {} if draft.actor_id else {"ip": draft.ip}
    key: Key = (draft.verb, draft.actor_id, draft.message, json.dumps(draft.details, sort_keys=True), *same.values())
    if _until.get(key, 0.0) > time.monotonic():
        return None
    alias = router.db_for_write(LogEntry)
    with transaction.atomic(using=alias):
        _hold(connections[alias], key)
        recent = LogEntry.objects.using(alias).filter(
            verb=draft.verb, actor_id=draft.actor_id, at__gt=draft.at - WINDOW
        )
        texts = (draft.message, f"{draft.message}{LAST}")
        alike = recent.filter(message__in=texts, **same).order_by("-at").values_list("at", "details")
        at = next((at for at, its_details in alike if its_details == draft.details), None)
        count = recent.count() if at is None and most is not None else 0
        transaction.on_commit(partial(_remember, key, draft.at - (at or draft.at)), using=alias)
        if at is not None or (most is not None and count >= most):
            return None
        return log.record(
            verb,
            texts[1] if most is not None and count == most - 1 else texts[0],
            actor=actor,
            user=user,
            target=target,
            level=level,
            outcome=outcome,
            details=details,
        )


def _hold(connection: BaseDatabaseWrapper, key: Key) -> None:
    """Let others wait who are about to write such an entry, until the end of the transaction.

    On SQLite they wait anyway.
    """
    if connection.vendor == "postgresql":
        number = int.from_bytes(hashlib.blake2b(repr(key[:2]).encode(), digest_size=8).digest(), signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _remember(key: Key, age: dt.timedelta) -> None:
    """Remember that the log holds this, since `age` ago."""
    now = time.monotonic()
    if len(_until) >= MOST_REMEMBERED:
        for old in [each for each, until in list(_until.items()) if until <= now] or list(_until):
            _until.pop(old, None)
    _until[key] = now + (WINDOW - age).total_seconds()


def forget() -> None:
    """Forget what this process remembers; the log still says it."""
    _until.clear()
