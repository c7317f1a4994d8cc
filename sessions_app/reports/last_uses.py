"""When people last used their rights: the start of their last session for each activity on each host."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Max, QuerySet

from sessions_app.privileged.everybody import Key
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.reports.report import PAGE

LastUses = Mapping[Key, dt.datetime]


def last_uses(ids: Sequence[int]) -> Iterator[tuple[int, LastUses]]:
    """Yield each of these people, in their order, and when their last session of each kind began, with one query.

    `ids` must be in the order of the names. The database answers in that order too, so that nothing waits in memory.
    """
    grouped = _last_uses(ids).order_by("user__username")
    place = {user_id: number for number, user_id in enumerate(ids)}
    at = 0
    for user_id, used in _by_user(grouped):
        if place.get(user_id, -1) < at:
            continue
        yield from ((unused, {}) for unused in ids[at : place[user_id]])
        yield user_id, used
        at = place[user_id] + 1
    yield from ((unused, {}) for unused in ids[at:])


def used_since(since: dt.datetime) -> Iterator[tuple[int, set[Key]]]:
    """Yield by user what they used since then, with one query."""
    began = PrivilegedSession.objects.filter(start_at__gte=since)
    pairs = began.order_by("user_id").values_list("user_id", "activity_id", "resource_id").distinct()
    for user_id, rows in itertools.groupby(pairs.iterator(chunk_size=2000), key=lambda row: row[0]):
        yield user_id, {(activity, resource) for _, activity, resource in rows}


def _last_uses(ids: Sequence[int]) -> QuerySet[Any, Any]:
    began = PrivilegedSession.objects.filter(start_at__isnull=False).order_by()
    if len(ids) <= PAGE:
        began = began.filter(user__in=ids)
    return began.values_list("user_id", "activity_id", "resource_id").annotate(last=Max("start_at"))


def _by_user(grouped: QuerySet[Any, Any]) -> Iterator[tuple[int, LastUses]]:
    for user_id, rows in itertools.groupby(grouped.iterator(chunk_size=2000), key=lambda row: row[0]):
        yield user_id, {(row[1], row[2]): row[3] for row in rows}
