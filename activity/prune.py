"""prune(): has the database delete from the activity log, which it does in one way only (append_only.py).

What is deleted was sealed before, and a signed statement says which leaves of the sealed log it was (seal/pruning.py).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from activity.append_only import STAYING
from activity.listing.csv import neutral
from activity.listing.source import ROWS_AT_ONCE
from activity.models import LogEntry, PruneRequest, SealState
from activity.pruned_files import JSON_LINES, MaybeDeleted, ProvedFile, new_file, onto_disk
from activity.rollups.counting import follow_prunings
from activity.seal import checkpoints
from activity.seal.pruning import NotAsSealed, leave_a_statement, leaves_of, unchanged_leaves_of
from activity.seal.sealing import Sealing
from activity.seal.signing import NoSigningKey
from activity.seal.statements import Range
from activity.seal.tree import TreeDamaged
from activity.tables import COLUMNS
from activity.verbs import Verb

YOUNGEST = dt.timedelta(days=1)  # entries of the last 24 hours always stay


class PruneRefused(Exception):
    """Nothing was deleted. The text is for the person."""


def older_than(before: dt.datetime) -> int:
    """Return how many entries `prune` would delete. Raises PruneRefused for a time after 24 hours ago."""
    if before > timezone.now() - YOUNGEST:
        raise PruneRefused("Entries of the last 24 hours always stay. Nothing was deleted. Name an earlier date.")
    return _deletable(before).count()


def next_limit(before: dt.datetime, most: int) -> dt.datetime:
    """Return up to when to delete at once: `before`, or an earlier time if more than about `most` entries are older."""
    times = _deletable(before).order_by("at", "pk").values_list("at", flat=True)
    oldest, after = times.first(), list(times[most : most + 1])
    return after[0] if after and oldest is not None and after[0] > oldest else before


def _deletable(before: dt.datetime) -> QuerySet[LogEntry]:
    """Return the entries older than `before` without those that say what became of the log, which always stay."""
    return LogEntry.objects.filter(at__lt=before).exclude(verb__in=STAYING)


def prune(before: dt.datetime, export: Path | None = None) -> int:
    """Delete the entries older than `before`, after writing them to the new file `export` if one is named.

    A name that ends with .jsonl gives JSON Lines, with proofs and a signed manifest beside it; any other gives CSV.
    Returns how many there were. Raises PruneRefused and OSError; then nothing was deleted and no file is left. Raises
    MaybeDeleted when the database does not say whether it has; then the file stays.
    """
    _seal(before)
    if not older_than(before) and export is None:
        return 0  # the entry that says so would stay for ever, and a daily job would leave one each day
    if export is None:
        return _prune(before, None, "")
    if export.suffix == JSON_LINES:
        _make_checkpoint()
        with ProvedFile(export).open() as files:
            return _prune(before, lambda: files.write(_deletable(before), before), export.name)
    with new_file(export) as file:
        return _prune(before, lambda: _write(before, file), export.name)


def _prune(before: dt.datetime, write: Callable[[], int] | None, file_name: str) -> int:
    """Delete and say so in one transaction, but for the first two steps, for which nobody has to wait.

    1. Write the entries to the file, and wait until the disk has them.
    2. Compare them with their leaves of the sealed log: what was changed since is evidence, and is not deleted.
    3. Find again which leaves they are. They must be the same.
    4. The database deletes them, and its log says how many, and up to when. The counts of the chart follow.
    5. Sign a statement of the leaves whose entries are gone.
    6. What was deleted must be what was written.
    """
    try:
        written = write() if write is not None else None
        compared = unchanged_leaves_of(_ids(before))
    except (NotAsSealed, TreeDamaged) as problem:
        raise PruneRefused(f"{problem} Nothing was deleted.") from problem
    is_ready = False
    try:
        with transaction.atomic():
            count = _delete(before, file_name, compared)
            if written is not None and written != count:
                raise PruneRefused(
                    f"{written:,} entries were written to the file, but {count:,} would have been deleted: the log "
                    "changed at the same moment. Nothing was deleted. Try again."
                )
            is_ready = True
    except (DatabaseError, InterfaceError) as error:
        if is_ready:
            raise MaybeDeleted(
                f"The database did not say whether it deleted the entries, so their file stays: {error}"
            ) from error
        raise
    return count


def _delete(before: dt.datetime, file_name: str, compared: list[Range]) -> int:
    """Do steps 3 to 5, in a transaction. Return how many entries were deleted."""
    ids = _Counted(_ids(before))
    ranges = leaves_of(ids)
    if ranges != compared:
        raise PruneRefused("The log changed at the same moment. Nothing was deleted. Try again.")
    ids.count_the_rest()
    PruneRequest.objects.create(before=before, export=file_name[:255])
    follow_prunings()
    said = LogEntry.objects.filter(verb=Verb.LOG_PRUNED).latest("pk")
    count = int(said.details["rows"])
    if count != ids.count:
        raise PruneRefused("The log changed at the same moment. Nothing was deleted. Try again.")
    try:
        leave_a_statement(said.pk, ranges, before)
    except NoSigningKey as error:
        raise PruneRefused(f"No statement of it can be signed, so nothing was deleted. {error}") from error
    return count


def _ids(before: dt.datetime) -> Iterator[int]:
    return _deletable(before).order_by("pk").values_list("pk", flat=True).iterator(ROWS_AT_ONCE)


def _seal(before: dt.datetime) -> None:
    """Seal the log first. Raise PruneRefused when entries that would be deleted cannot be sealed."""
    try:
        Sealing("prune").seal(is_alone=True)
    except TreeDamaged as error:
        raise PruneRefused(f"{error} Run sessionadmin verify_log. Nothing was deleted.") from error
    if waiting := _deletable(before).filter(pk__gt=SealState.current().last_id).count():
        raise PruneRefused(
            f"{waiting:,} of these entries are not sealed yet, because a transaction is open. Run sessionadmin "
            "seal_log, and try again. Nothing was deleted."
        )


class _Counted:
    """Numbers of entries, and how many of them were read."""

    def __init__(self, ids: Iterator[int]) -> None:
        self._ids, self.count = ids, 0

    def __iter__(self) -> Iterator[int]:
        for one in self._ids:
            self.count += 1
            yield one

    def count_the_rest(self) -> None:
        """Read those that nobody read."""
        for _ in self:
            pass


def _make_checkpoint() -> None:
    """Make a checkpoint of all that is sealed, for the proofs of what goes. Raise PruneRefused."""
    try:
        checkpoints.make()
    except (NoSigningKey, TreeDamaged) as error:
        raise PruneRefused(f"No checkpoint can be signed, so nothing was deleted. {error}") from error


def _write(before: dt.datetime, file: IO[bytes]) -> int:
    """Write the columns of the download (docs/activity-log.md), oldest first, and return the number of rows."""
    columns = [(column.label, column.value) for column in COLUMNS]
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow([label for label, _ in columns])
    count = 0
    entries = _deletable(before).order_by("at", "pk").prefetch_related("actor", "user")
    for entry in entries.iterator(chunk_size=ROWS_AT_ONCE):
        writer.writerow([neutral(value(entry)) for _, value in columns])
        count += 1
    text.detach()  # writes what is left, and leaves the file open
    onto_disk(file)
    return count
