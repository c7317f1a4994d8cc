"""Find entries that appeared behind the seal: their number is below that of sealed entries, and no leaf is theirs.

They are never taken into the tree. The newest tiles are compared each time, the older ones in turn, so that the whole
log is looked through in the course of hours; `sessionadmin verify_log` does all of it at once.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from activity import log
from activity.models import Level, LogEntry
from activity.seal.models import FindingKind, SealFinding, SealState, SealTile
from activity.seal.tree import unpack_ids
from activity.verbs import Verb

NEWEST_TILES, IN_TURN = 8, 32  # tiles of one look
MOST_NAMED = 20  # numbers that one entry of the log names


def look() -> list[int]:
    """Compare some tiles with the log. Return the numbers of entries that were found behind the seal just now."""
    state = SealState.current()
    last = (state.size - 1) // 256
    if last < 0:
        return []
    begin = state.looked_through_to if state.looked_through_to <= last else 0
    numbers = {*range(begin, min(begin + IN_TURN, last + 1)), *range(max(0, last + 1 - NEWEST_TILES), last + 1)}
    found = _behind(sorted(numbers))
    new = _note(found)
    SealState.objects.filter(pk=state.pk).update(looked_through_to=begin + IN_TURN if begin + IN_TURN <= last else 0)
    return new


def _behind(numbers: list[int]) -> list[int]:
    """Return the numbers of entries that belong into these tiles by their number, and are not in them."""
    with_previous = {*numbers, *(number - 1 for number in numbers)}
    tiles = SealTile.objects.filter(level=0, number__in=with_previous).only("number", "ids", "last_id")
    found = {tile.number: tile for tile in tiles}
    spans, sealed = Q(), set[int]()
    for number in numbers:
        if number not in found:
            continue
        span = Q(pk__lte=found[number].last_id)
        if number - 1 in found:
            span &= Q(pk__gt=found[number - 1].last_id)
        elif number:
            span &= Q(pk__gte=found[number].first_id)
        spans |= span
        sealed.update(unpack_ids(found[number].ids))
    if not spans:
        return []
    return [pk for pk in LogEntry.objects.filter(spans).order_by("pk").values_list("pk", flat=True) if pk not in sealed]


def _note(found: list[int]) -> list[int]:
    """Note those that were not noted before, with one entry of the log for all of them. Return their numbers."""
    if not found:
        return []
    with transaction.atomic():
        SealState.objects.select_for_update().get(pk=SealState.THE_ROW)  # two workers note it once
        known = set(SealFinding.objects.filter(kind=FindingKind.BEHIND).values_list("entry_id", flat=True))
        new = [pk for pk in found if pk not in known]
        if not new:
            return []
        SealFinding.objects.bulk_create(
            SealFinding(
                kind=FindingKind.BEHIND,
                entry_id=pk,
                text=f"Entry {pk:,} appeared behind the seal: it was not there when later entries were sealed.",
            )
            for pk in new
        )
        named = ", ".join(f"{pk:,}" for pk in new[:MOST_NAMED])
        more = f" and {len(new) - MOST_NAMED:,} more" if len(new) > MOST_NAMED else ""
        log.record(
            Verb.SEAL_FINDING,
            f"{'This entry' if len(new) == 1 else 'These entries'} appeared behind the seal and will never be sealed: "
            f"{named}{more}",
            level=Level.ERROR,
            details={"kind": FindingKind.BEHIND.value, "entries": new[:MOST_NAMED], "count": len(new)},
        )
    return new
