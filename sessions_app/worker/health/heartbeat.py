"""The heartbeats of workers, from which everybody sees which workers are running.

This module does not know what a worker does.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from activity.compiled_query import CompiledQuery
from sessions_app.privileged.models import LIVE, PrivilegedSession, Status
from sessions_app.worker.models import WorkerHeartbeat

BEAT_EVERY = 10.0  # seconds
SILENT_AFTER = dt.timedelta(seconds=30)


def beat(owner: str) -> None:
    """Note that this worker is running."""
    WorkerHeartbeat.beat(owner)


def stopped(owner: str) -> None:
    """Note that this worker stopped in order."""
    WorkerHeartbeat.stopped(owner)


def running() -> list[WorkerHeartbeat]:
    """Return the workers that were seen in the last 30 seconds, the oldest first."""
    return WorkerHeartbeat.seen_within(SILENT_AFTER)


def is_work_waiting() -> bool:
    """Return whether a worker has something to do now, or to monitor."""
    return bool(_work.rows(now=timezone.now())[1])


def _work_waiting(now: dt.datetime) -> QuerySet[PrivilegedSession, Any]:
    wants = (
        Q(status__in=sorted(LIVE))
        | Q(status=Status.PENDING, scheduled_for__lte=now)
        | Q(status=Status.WAITING, approval_deadline__lte=now)
    )
    return PrivilegedSession.objects.filter(ended_at=None).filter(wants).order_by().values_list("pk")[:1]


def is_worker_missed() -> bool:
    """Return whether there is work and no worker to do it."""
    _, seen = _seen.rows(since=timezone.now() - SILENT_AFTER)
    return not seen and is_work_waiting()


def _seen_since(since: dt.datetime) -> QuerySet[WorkerHeartbeat, Any]:
    return WorkerHeartbeat.objects.filter(seen_at__gte=since).order_by().values_list("pk")[:1]


# Every page of sessions runs both queries.
_seen = CompiledQuery(WorkerHeartbeat, _seen_since, since=dt.datetime)
_work = CompiledQuery(PrivilegedSession, _work_waiting, now=dt.datetime)
