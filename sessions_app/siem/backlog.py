"""How much of the log a destination does not have yet, and whether it has been silent for too long."""

from __future__ import annotations

import datetime as dt
import functools
import operator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from activity import log
from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.siem.models import DeliveryState, Destination

MOST_COUNTED = 10_000
LEASE = dt.timedelta(seconds=60)  # how long a worker has a destination for itself, unless it renews that


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for one destination. `count` is at most MOST_COUNTED + 1, `oldest` is the time of the first entry."""

    count: int
    oldest: dt.datetime | None

    @property
    def words(self) -> str:
        if not self.count:
            return "nothing waits"
        number = f"more than {MOST_COUNTED:,} entries" if self.count > MOST_COUNTED else f"{self.count:,} entries"
        return "1 entry waits" if self.count == 1 else f"{number} wait"


def backlog(destination: Destination) -> Backlog:
    """Return what waits for the destination, with its state read already."""
    waiting = entries_for(destination).filter(pk__gt=destination.state.cursor)
    count = waiting.order_by()[: MOST_COUNTED + 1].count()
    oldest = waiting.order_by("pk").values_list("at", flat=True).first() if count else None
    return Backlog(count, oldest)


def entries_for(destination: Destination) -> QuerySet[LogEntry]:
    """Return the entries that the filter of the destination lets through, as Destination.wants() does."""
    found = LogEntry.objects.filter(level__gte=destination.minimum_level)
    if destination.groups:
        found = found.filter(
            functools.reduce(operator.or_, (Q(verb__startswith=f"{group}.") for group in destination.groups))
        )
    return found.filter(outcome__in=destination.outcomes) if destination.outcomes else found


def is_silent(destination: Destination, waiting: Backlog, now: dt.datetime) -> bool:
    """Return whether entries wait and nothing was delivered for as long as the destination allows."""
    since = now - destination.silence
    delivered_at = destination.state.delivered_at or destination.state.began_at
    return waiting.oldest is not None and waiting.oldest < since and delivered_at < since


def has_sender(destination: Destination, now: dt.datetime) -> bool:
    """Return whether a worker has shown within a minute that it sends to the destination."""
    until = destination.state.lease_until
    return bool(destination.state.lease) and until is not None and until > now


def report_silence() -> None:
    """Log when a destination becomes silent, and when it gets entries again. Several workers may do this at once."""
    now = timezone.now()
    for destination in Destination.objects.filter(is_active=True).select_related("state"):
        waiting = backlog(destination)
        silent = is_silent(destination, waiting, now)
        if silent != (destination.state.silent_since is not None):
            _report(destination, waiting, now if silent else None)


def _report(destination: Destination, waiting: Backlog, silent_since: dt.datetime | None) -> None:
    was_silent = silent_since is None
    with transaction.atomic():
        rows = DeliveryState.objects.filter(pk=destination.pk, silent_since__isnull=not was_silent)
        if not rows.update(silent_since=silent_since):
            return
        if was_silent:
            log.record(Verb.SIEM_BACK, f"{destination} gets entries again", target=destination)
            return
        why = destination.state.last_error or "No worker sends to it."
        log.record(
            Verb.SIEM_SILENT,
            f"Nothing was delivered to {destination} for {_minutes(destination.silence)}, and {waiting.words}: {why}",
            target=destination,
            level=Level.ERROR,
            details={"waiting": waiting.count, "error": destination.state.last_error},
        )


def _minutes(duration: dt.timedelta) -> str:
    return f"{duration.total_seconds() / 60:,.0f} min"
