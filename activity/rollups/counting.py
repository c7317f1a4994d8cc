"""Count sealed entries into the quarters of an hour of their own times, once each, and follow what is deleted.

An entry may come late: its time says nothing about when it is counted. The cursor is the number of the newest entry
that is counted, and moves only over sealed entries, because no entry appears below those. It moves in the transaction
that adds the counts, and only from the value that was read; so any number of workers may do it at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from django.db import transaction
from django.db.models import Count, QuerySet

from activity.models import LogEntry
from activity.prunings import pruned_before
from activity.quarters import QUARTER, by_quarter
from activity.rollups.models import COLUMNS, Rollup, RollupState
from activity.seal.models import SealState
from activity.verbs import Verb

BATCH = 20_000  # entries of one transaction


def roll(go_on: Callable[[], bool] = lambda: True) -> int:
    """Count the sealed entries that are not counted yet, and return how many there were.

    It stops between two batches when `go_on()` is false, and when another process counts them.
    """
    sealed = SealState.objects.filter(pk=SealState.THE_ROW).values_list("last_id", flat=True).first() or 0
    state = RollupState.objects.filter(pk=RollupState.THE_ROW).first()
    if state is None:
        if not sealed:
            return 0
        state = RollupState.objects.get_or_create(pk=RollupState.THE_ROW)[0]
    counted = 0
    while state.last_id < sealed:
        found = _add(state, sealed)
        if found is None:
            break
        counted += found
        if not go_on():
            break
    return counted


def begin_again() -> None:
    """Throw all counts away. Workers count everything anew, and until then the chart counts entries."""
    with transaction.atomic():
        state = RollupState.objects.select_for_update().filter(pk=RollupState.THE_ROW).first()
        Rollup.objects.all().delete()
        if state is not None:
            state.last_id, state.version = 0, state.version + 1
            state.save()


def follow_prunings() -> None:
    """Count what is left of the time in which entries were deleted. To be called in the transaction that deletes."""
    state = RollupState.objects.select_for_update().filter(pk=RollupState.THE_ROW).first()
    if state is not None and _recount(state):
        state.version += 1
        state.save()


def prunings(database: str) -> int:
    """Return how often entries were deleted. The entries that say so are never deleted."""
    return LogEntry.objects.using(database).filter(verb=Verb.LOG_PRUNED).count()


def _add(state: RollupState, sealed: int) -> int | None:
    """Count the next entries, and move the cursor. Return None, and write nothing, when another process was quicker."""
    following = LogEntry.objects.filter(pk__gt=state.last_id, pk__lte=sealed)
    up_to = following.order_by("pk").values_list("pk", flat=True)[BATCH - 1 : BATCH].first() or sealed
    found = _by_quarter(LogEntry.objects.filter(pk__gt=state.last_id, pk__lte=up_to))
    with transaction.atomic():
        unchanged = RollupState.objects.filter(pk=state.pk, version=state.version)
        if not unchanged.update(last_id=up_to, version=state.version + 1):
            return None
        if not state.last_id:
            Rollup.objects.all().delete()  # of a cursor that somebody has deleted
        _save(found)
        state.last_id, state.version = up_to, state.version + 1
        if _recount(state):
            state.save()
    return sum(count for *_, count in found)


Found = list[tuple[int, int, str, int]]  # quarter, level, outcome, and how many


def _by_quarter(entries: QuerySet[LogEntry]) -> Found:
    return list(by_quarter(entries, "level", "outcome").annotate(count=Count("pk")))


def _save(found: Found) -> None:
    """Add to the rows of these quarters. Nobody else changes them, because the row of the state is ours by now."""
    rows = Rollup.objects.in_bulk({quarter for quarter, *_ in found})
    for quarter, level, outcome, count in found:
        rows.setdefault(quarter, Rollup(quarter=quarter)).add(level, outcome, count)
    Rollup.objects.bulk_create(
        rows.values(), update_conflicts=True, unique_fields=["quarter"], update_fields=COLUMNS, batch_size=500
    )


def _recount(state: RollupState) -> bool:
    """Count anew what is older than the latest time before which entries were deleted, if some were deleted since.

    The number of prunings is read first: one that is committed meanwhile is then followed once more.
    """
    number = prunings(LogEntry.objects.db)
    if number == state.prunings:
        return False
    before = _latest_limit()
    if before is not None:
        after = int(before.timestamp()) // QUARTER + 1  # the quarter in which the limit lies is counted anew too
        end = dt.datetime.fromtimestamp(after * QUARTER, dt.UTC)
        Rollup.objects.filter(quarter__lt=after).delete()
        _save(_by_quarter(LogEntry.objects.filter(at__lt=end, pk__lte=state.last_id)))
    state.prunings = number
    return True


def _latest_limit() -> dt.datetime | None:
    """Return the latest time of those before which entries were deleted."""
    said = LogEntry.objects.filter(verb=Verb.LOG_PRUNED).values_list("at", "details")
    return max(filter(None, (pruned_before(at, details) for at, details in said)), default=None)
