"""Finds entries that were deleted from the log before a destination had them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Min

from activity import log
from activity.models import Level, LogEntry
from activity.prunings import pruned_before
from activity.verbs import Verb
from sessions_app.siem import message as messages
from sessions_app.siem.models import DeliveryState, Destination


@dataclass(frozen=True, slots=True)
class Gap:
    """What prunings up to the entry `pruned` took: up to `count` entries from `first` to `last`.

    The count is an upper bound, because PostgreSQL leaves ids out when a transaction is rolled back.
    """

    pruned: int
    first: int = 0
    last: int = 0
    count: int = 0

    def message(self, destination: Destination) -> messages.Message:
        return messages.gap(destination.name, self.first, self.last, self.count)


def find_gap(state: DeliveryState) -> Gap | None:
    """Return what the prunings since the last look took; None if there were none."""
    prunings = list(
        LogEntry.objects.filter(verb=Verb.LOG_PRUNED, pk__gt=state.pruned)
        .order_by("pk")
        .values_list("pk", "at", "details")
    )
    if not prunings:
        return None
    newest = prunings[-1][0]
    before = max(filter(None, (pruned_before(at, details) for _, at, details in prunings)), default=None)
    if before is None:
        return Gap(newest)
    after = LogEntry.objects.filter(pk__gt=state.cursor, at__gte=before).aggregate(first=Min("pk"))["first"] or newest
    left = LogEntry.objects.filter(pk__gt=state.cursor, pk__lt=after).count()
    count = after - state.cursor - 1 - left
    return Gap(newest, state.cursor + 1, after - 1, count) if count > 0 else Gap(newest)


def report_gap(destination: Destination, gap: Gap) -> None:
    """Write into the log that the destination will never have these entries."""
    log.record(
        Verb.SIEM_GAP,
        f"Up to {gap.count:,} entries from {gap.first} to {gap.last} were deleted before {destination} had them",
        target=destination,
        level=Level.WARNING,
        details={"first": gap.first, "last": gap.last, "count": gap.count},
    )
