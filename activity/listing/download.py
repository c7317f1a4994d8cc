"""Downloads: every filtered row as a file, streamed, logged, and with a manifest that proves what it held.

Nothing leaves unless the log says that it does. The manifest goes into the log entry of the end, and beside the file
into an archive when the address asks for one.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import tempfile
from collections.abc import Generator
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from activity import log
from activity.downloads import StreamedDownload, take_slot
from activity.listing.csv import BYTE_ORDER_MARK
from activity.listing.file_names import attachment
from activity.listing.formats import Format
from activity.listing.ids import RowIds
from activity.listing.manifest import Proofs, manifest
from activity.listing.source import ListSource, Source
from activity.listing.zipped import Member, zipped
from activity.models import DownloadPreference, Outcome
from activity.outage import Outage
from activity.seal import checkpoints
from activity.seal.models import Checkpoint
from activity.text import plain
from activity.verbs import Verb
from activity.verify_sessionadmin import MANIFEST_ENDING, PROOFS_ENDING

logger = logging.getLogger(__name__)


class Download(StreamedDownload):
    """Rows as a file of some format, or as an archive with its manifest.

    No byte of it may be sent before log_beginning() has returned.
    """

    def __init__(self, person: AbstractUser, source: Source, format_: Format, *, is_zip: bool = False) -> None:
        """Take one of the person's places for downloads. Raise limits.TooMany where none is free."""
        place = take_slot(person)
        # Read them now: when the lines are written, the middleware that knows them has already ended.
        export = Export(person, source, format_, log.current_address(), log.current_login_id(), is_zip=is_zip)
        kind = "application/zip" if is_zip else format_.content_type
        self.pieces = export.pieces()  # for who keeps the file instead of sending it
        super().__init__(place, self.pieces, content_type=kind, headers={"Cache-Control": "no-store"})
        self.file_name = export.archive_name if is_zip else export.file_name
        self["Content-Disposition"] = attachment(self.file_name)
        self._export = export

    def log_beginning(self) -> None:
        """Record that the download begins. If this raises an error, the download must not be sent."""
        try:
            self._export.log_beginning()
        except BaseException:
            self.give_back()
            raise


class Export:
    """One file that is written, its manifest, and its two entries in the log."""

    def __init__(
        self,
        person: AbstractUser,
        source: Source,
        format_: Format,
        address: str = "",
        login_id: int | None = None,
        *,
        is_zip: bool = False,
    ) -> None:
        self._person, self._source, self._format, self._is_zip = person, source, format_, is_zip
        self._address, self._login_id = address, login_id
        self._made_at = timezone.now()
        self._zone = timezone.get_current_timezone_name()
        base = f"{source.name}-{self._made_at:%Y%m%dT%H%M%SZ}"
        self.file_name, self.archive_name = base + format_.ending, f"{base}.zip"
        self._details: dict[str, Any] = {"list": source.name, "filters": dict(source.filters), "format": format_.key}
        self._ids = RowIds()
        self._digest = hashlib.sha256()
        self._size = self.rows = 0
        self._proofs: dict[str, object] | None = None
        self._checkpoint: Checkpoint | None = None
        self.manifest = ""

    def log_beginning(self) -> None:
        """Record that the download begins."""
        with log.coming_from(self._address, lambda: self._login_id):
            message = f"Began to download {self._source.nouns} as {self._format.label}"
            entry = log.record(Verb.EXPORT_BEGAN, message, actor=self._person, details=self._details)
        if isinstance(self._source, ListSource):
            self._source.leave_out(entry)

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the whole file or archive. At the end, record how many rows were sent, also if it was broken off."""
        mended_before = self._texts_mended()
        is_sent = False
        pieces = zipped(self._members()) if self._is_zip else self._file()
        try:
            yield from pieces
            is_sent = True
        finally:
            pieces.close()  # stops the query, before the connection is needed for the log
            self._log_end(is_whole=is_sent, is_mended=self._texts_mended() > mended_before)

    def _file(self) -> Generator[bytes, None, None]:
        with contextlib.closing(self._format.pieces(self._source, self._ids)) as pieces:
            if self._format.key == "csv" and DownloadPreference.of(self._person).has_byte_order_mark:
                yield self._counted(BYTE_ORDER_MARK.encode())
            for piece, rows in pieces:
                self.rows += rows
                yield self._counted(piece)

    def _counted(self, piece: bytes) -> bytes:
        self._digest.update(piece)
        self._size += len(piece)
        return piece

    def _members(self) -> Generator[Member, None, None]:
        """Yield the files of the archive."""
        prove = self._source.table.proofs if isinstance(self._source, ListSource) else None
        with contextlib.ExitStack() as opened:
            if prove is not None:  # the file has no name, so that nothing stays behind
                self._ids = RowIds(opened.enter_context(tempfile.TemporaryFile(dir=settings.VAR_DIR)))
            yield self.file_name, self._file()
            self._checkpoint = checkpoints.newest()  # now, so that it covers as many of the rows as can be
            if prove is not None:
                size = self._checkpoint.size if self._checkpoint is not None else 0
                proofs = Proofs(prove(self._ids.all(), size))
                yield self.file_name + PROOFS_ENDING, proofs.pieces()
                self._proofs = proofs.facts(self.file_name)
        self.manifest = manifest(self._facts(is_whole=True))
        yield self.file_name + MANIFEST_ENDING, _one(self.manifest.encode())

    def _facts(self, *, is_whole: bool) -> dict[str, object]:
        """Return what the manifest says."""
        source = self._source
        return {
            "list": source.name,
            "file": self.file_name,
            "format": self._format.key,
            "filters": dict(source.filters),
            "applied": dict(source.applied),
            "sort": source.sort,
            "zone": self._zone,
            "columns": list(source.labels),
            "rows": self.rows,
            "complete": is_whole,
            "first_id": self._ids.first,
            "last_id": self._ids.last,
            "size": self._size,
            "sha256": self._digest.hexdigest(),
            "made_at": self._made_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "made_by": self._person.get_username(),
            "checkpoint": self._checkpoint.note if self._checkpoint is not None else None,
            "proofs": self._proofs,
        }

    def _texts_mended(self) -> int:
        """Return how many texts the connection has read that are not UTF-8: sessionadmin/database/sqlite3."""
        return int(getattr(connections[self._source.database], "texts_mended", 0))

    def _log_end(self, *, is_whole: bool, is_mended: bool) -> None:
        """Record the end of the download.

        During an outage this writes to the server's log instead: the file is already complete, and its beginning is
        recorded.
        """
        message = f"Downloaded {self.rows:,} {self._source.nouns} as {self._format.label}"
        message += "" if is_whole else "; the download was broken off"
        message += "; it has \ufffd for text that is not UTF-8, which another program wrote" if is_mended else ""
        details = {**self._details, "rows": self.rows, "complete": is_whole}
        try:
            if not (self.manifest and is_whole):
                self._checkpoint = self._checkpoint or checkpoints.newest()
                self.manifest = manifest(self._facts(is_whole=is_whole))
            details |= {"file": self.file_name, "sha256": self._digest.hexdigest(), "manifest": self.manifest}
            with log.coming_from(self._address, lambda: self._login_id):
                outcome = None if is_whole else Outcome.FAILURE
                log.record(Verb.EXPORTED, message, actor=self._person, outcome=outcome, details=details)
        except (DatabaseError, InterfaceError) as error:
            outage = Outage.of(error)
            if outage is None:
                raise
            # Without a traceback: this line replaces a log entry, and must not be dropped among others of the outage.
            logger.error(
                "Not in the activity log: %s (%s). %s: %s", message, self._person, outage.heading, plain(error)
            )


def _one(piece: bytes) -> Generator[bytes, None, None]:
    yield piece
