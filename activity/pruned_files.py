"""The files of entries that are about to be deleted: JSON Lines, the proof of each line, and a signed manifest of both.

They are what a download of the log with its manifest is (log_export.py, listing/manifest.py), so that
activity/verify_sessionadmin.py reads them. They are on the disk before anything is deleted.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from activity.listing.ids import RowIds
from activity.listing.manifest import Proofs, manifest
from activity.listing.source import rows_of
from activity.log_export import json_lines, proofs
from activity.models import LogEntry
from activity.seal import checkpoints
from activity.verify_sessionadmin import ENTRY_FIELDS, MANIFEST_ENDING, PROOFS_ENDING, time_text

JSON_LINES = ".jsonl"


class MaybeDeleted(Exception):
    """The database did not say whether it committed the deletion. The text is for the person."""


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Make a file that was not there before and that only its owner can read. It is deleted when the block fails.

    It stays when the entries may be deleted, because then it has the only copy.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        try:
            yield file
        except MaybeDeleted:
            raise
        except BaseException:
            path.unlink()
            raise


def onto_disk(file: IO[bytes]) -> None:
    """Wait until the disk has what was written to the file. Raises OSError."""
    file.flush()
    os.fsync(file.fileno())


class ProvedFile:
    """The three files of one deletion, with names as the verifier looks for them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def open(self) -> Iterator[ProvedFile]:
        """Make all three. They are deleted when the block fails. Raises OSError."""
        with contextlib.ExitStack() as opened:
            self._rows, self._proofs, self._manifest = (
                opened.enter_context(new_file(self._path.with_name(self._path.name + ending)))
                for ending in ("", PROOFS_ENDING, MANIFEST_ENDING)
            )
            yield self

    def write(self, entries: QuerySet[LogEntry], before: dt.datetime) -> int:
        """Write the entries, oldest number first, and return how many they are. Raises OSError."""
        digest, size, count = hashlib.sha256(), 0, 0
        with tempfile.TemporaryFile(dir=settings.VAR_DIR) as kept:
            ids, as_lines = RowIds(kept), json_lines(entries.db)
            for some in rows_of(entries.order_by("pk")):
                ids.add([entry.pk for entry in some])
                piece = as_lines(some)
                self._rows.write(piece)
                digest.update(piece)
                size, count = size + len(piece), count + len(some)
            checkpoint = checkpoints.newest()
            proved = Proofs(proofs(ids.all(), checkpoint.size if checkpoint is not None else 0))
            self._proofs.writelines(proved.pieces())
        facts = {
            "list": "activity",
            "file": self._path.name,
            "format": "jsonl",
            "filters": {"before": time_text(before)},
            "applied": {"words": ["Deleted by retention or pruning"], "from": None, "until": time_text(before)},
            "sort": "id",
            "zone": "UTC",
            "columns": list(ENTRY_FIELDS),
            "rows": count,
            "complete": True,
            "first_id": ids.first,
            "last_id": ids.last,
            "size": size,
            "sha256": digest.hexdigest(),
            "made_at": timezone.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "made_by": "SessionAdmin",
            "checkpoint": checkpoint.note if checkpoint is not None else None,
            "proofs": proved.facts(self._path.name),
        }
        self._manifest.write(manifest(facts).encode())
        self._keep()
        return count

    def _keep(self) -> None:
        """Wait until the disk has the files, and their names in the directory."""
        for file in (self._rows, self._proofs, self._manifest):
            onto_disk(file)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
