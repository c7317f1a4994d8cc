"""prune(): has the database delete from the activity log, which it does in one way only (append_only.py).

What is deleted was sealed before, and a signed statement says which leaves of the sealed log it was (seal/pruning.py).
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from activity.append_only import STAYING
from activity.listing.csv import neutral
from activity.listing.source import ROWS_AT_ONCE
from activity.models import LogEntry, PruneRequest, SealState
from activity.seal.pruning import NotAsSealed, leave_a_statement, leaves_of, unchanged_leaves_of
from activity.seal.sealing import Sealing
from activity.seal.signing import NoSigningKey
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


def _deletable(before: dt.datetime) -> QuerySet[LogEntry]:
    """Return the entries older than `before` without those that say what became of the log, which always stay."""
    return LogEntry.objects.filter(at__lt=before).exclude(verb__in=STAYING)


def prune(before: dt.datetime, export: Path | None = None) -> int:
    """Delete the entries older than `before`, after writing them to the new file `export` if one is named.

    Returns how many there were. Raises PruneRefused and OSError; then nothing was deleted and no file is left.
    """
    _seal(before)
    if not older_than(before) and export is None:
        return 0  # the entry that says so would stay for ever, and a daily job would leave one each day
    if export is None:
        return _prune(before, None, "")
    with _new_file(export) as file:
        return _prune(before, file, export.name)


def _prune(before: dt.datetime, file: TextIO | None, file_name: str) -> int:
    """Delete and say so in one transaction, but for the first two steps, for which nobody has to wait.

    1. Write the entries to the file, and wait until the disk has them.
    2. Compare them with their leaves of the sealed log: what was changed since is evidence, and is not deleted.
    3. Find again which leaves they are. They must be the same.
    4. The database deletes them, and its log says how many, and up to when.
    5. Sign a statement of the leaves whose entries are gone.
    6. What was deleted must be what was written.
    """
    written = _write(before, file) if file is not None else None
    try:
        compared = unchanged_leaves_of(_ids(before))
    except NotAsSealed as problem:
        raise PruneRefused(f"{problem} Nothing was deleted.") from problem
    with transaction.atomic():
        ids = _Counted(_ids(before))
        ranges = leaves_of(ids)
        if ranges != compared:
            raise PruneRefused("The log changed at the same moment. Nothing was deleted. Try again.")
        ids.count_the_rest()
        PruneRequest.objects.create(before=before, export=file_name[:255])
        said = LogEntry.objects.filter(verb=Verb.LOG_PRUNED).latest("pk")
        count = int(said.details["rows"])
        if count != ids.count:
            raise PruneRefused("The log changed at the same moment. Nothing was deleted. Try again.")
        try:
            leave_a_statement(said.pk, ranges, before)
        except NoSigningKey as error:
            raise PruneRefused(f"No statement of it can be signed, so nothing was deleted. {error}") from error
        if written is not None and written != count:
            raise PruneRefused(
                f"{written:,} entries were written to the file, but {count:,} would have been deleted: the log changed "
                "at the same moment. Nothing was deleted. Try again."
            )
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


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """Make a file that was not there before and that only its owner can read. It is deleted when the block fails."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        try:
            yield file
        except BaseException:
            path.unlink()
            raise


def _write(before: dt.datetime, file: TextIO) -> int:
    """Write the columns of the download (docs/activity-log.md), oldest first, and return the number of rows."""
    columns = [(column.label, column.value) for column in COLUMNS]
    writer = csv.writer(file)
    writer.writerow([label for label, _ in columns])
    count = 0
    entries = _deletable(before).order_by("at", "pk").prefetch_related("actor", "user")
    for entry in entries.iterator(chunk_size=ROWS_AT_ONCE):
        writer.writerow([neutral(value(entry)) for _, value in columns])
        count += 1
    file.flush()
    os.fsync(file.fileno())
    return count
