"""Decide from which entry on a new destination gets the log."""

from __future__ import annotations

import datetime as dt

from django.db.models import Max, Min

from activity.models import LogEntry
from activity.seal.models import Checkpoint
from activity.verbs import Verb
from sessions_app.siem.models import DeliveryState, Destination


def begin(destination: Destination, *, entry: int | None = None, at: dt.datetime | None = None) -> DeliveryState:
    """Make the state of a new destination: it gets the log from `entry` on, or from the time `at` on, or from now."""
    newest = LogEntry.objects.aggregate(newest=Max("pk"))["newest"] or 0
    cursor = newest
    if entry is not None:
        cursor = min(entry - 1, newest)
    elif at is not None:
        first = LogEntry.objects.filter(at__gte=at).aggregate(first=Min("pk"))["first"]
        cursor = newest if first is None else first - 1
    pruned = LogEntry.objects.filter(verb=Verb.LOG_PRUNED).aggregate(newest=Max("pk"))["newest"] or 0
    checkpoint = Checkpoint.objects.aggregate(newest=Max("pk"))["newest"] or 0
    return DeliveryState.objects.create(
        destination=destination, cursor=cursor, confirmed=cursor, pruned=pruned, checkpoint=checkpoint
    )
