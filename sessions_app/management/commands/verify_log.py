"""`sessionadmin verify_log` verifies the whole log: entries, tree, checkpoints, recordings (docs/evidence.md)."""

from __future__ import annotations

import datetime as dt
import time
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from activity import integrity
from activity.models import LogEntry
from activity.seal import statements
from activity.seal.comparing import Signed
from activity.seal.verification import Verification, Verified
from activity.verify_sessionadmin import Unproven, VerifierKey, open_note, parse_checkpoint, split_notes
from sessions_app.evidence import recordings
from sessions_app.evidence.trusted_keys import trusted

PROGRESS_EVERY = 30.0  # seconds


def _since(text: str) -> int | dt.datetime:
    """Return the number of an entry, or a time (midnight UTC of a date)."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"“{text}” is neither a date such as 2026-01-31 nor the number of an entry.") from error


class Command(BaseCommand):
    help = (
        "Verify the activity log: every entry against its seal, all checkpoints, gaps, entries behind the seal, the "
        "protection of the log, and recordings. It changes nothing. The exit code is 1 for any finding."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--checkpoint",
            action="append",
            default=[],
            type=Path,
            metavar="FILE",
            help="a checkpoint that was kept outside of the console; only this shows a log that was cut or rolled back",
        )
        parser.add_argument("--key", type=Path, metavar="FILE", help="trust only the public keys in this file")
        parser.add_argument(
            "--since",
            type=_since,
            metavar="WHEN",
            help="compare only entries from this date or number on; of those before, only the hashes are used",
        )
        parser.add_argument("--processes", type=int, metavar="N", help="how many compare at once (default: processors)")
        parser.add_argument("--without-recordings", action="store_true", help="do not read the files of recordings")

    def handle(
        self,
        *args: Any,
        checkpoint: list[Path],
        key: Path | None,
        since: int | dt.datetime | None,
        processes: int | None,
        without_recordings: bool,
        **options: Any,
    ) -> None:
        """Verify, and print each finding. Raises CommandError when there is any."""
        self.findings = 0
        if processes is not None and processes < 1:
            raise CommandError("--processes is 1 or more. Nothing was verified.")
        keys = self._keys(key)
        outside = tuple(one for path in checkpoint for one in _outside(path, keys))
        for problem in integrity.find_problems():
            self._finding(problem.text)
        self._began = self._said = time.monotonic()
        verification = Verification(keys, self._finding, outside, self._progress)
        found = verification.run(processes, _number(since))
        self._tell(found, has_outside=bool(outside))
        if not without_recordings:
            self._recordings(keys)
        if self.findings:
            raise CommandError(
                f"{self.findings:,} finding{'' if self.findings == 1 else 's'}. The log does not verify."
            )
        self.stdout.write(self.style.SUCCESS("Nothing wrong was found."))

    def _keys(self, path: Path | None) -> list[VerifierKey]:
        try:
            keys, problems = trusted(path.read_text().splitlines() if path is not None else ())
        except (OSError, UnicodeDecodeError, Unproven) as error:
            raise CommandError(f"{path}: {error} Nothing was verified.") from error
        for problem in problems:
            self._finding(problem)
        return keys

    def _recordings(self, keys: list[VerifierKey]) -> None:
        compared = recordings.compare(self._finding, statements.load(keys).erasures.values())
        self.stdout.write(f"{compared.files:,} files of recordings were compared with what the log says of them.")
        if compared.without_entry:
            self.stdout.write(
                f"{compared.without_entry:,} recordings are older than the entries that hold their hashes."
            )

    def _tell(self, found: Verified, *, has_outside: bool) -> None:
        seconds = time.monotonic() - self._began
        self.stdout.write(
            f"{found.entries:,} entries were compared with the tree of {found.size:,} leaves in {seconds:,.1f} seconds."
        )
        if found.skipped:
            self.stdout.write(
                f"The entries of {found.skipped:,} leaves before were not compared, only their hashes used."
            )
        if found.pruned:
            self.stdout.write(f"{found.pruned:,} entries were deleted, as signed statements say.")
        if found.erased:
            self.stdout.write(
                f"{found.erased:,} entries have had their personal data erased, as signed statements say."
            )
        if found.unsealed:
            self.stdout.write(f"{found.unsealed:,} newer entries are not sealed yet, so they could not be compared.")
        if found.checkpoints:
            self.stdout.write(
                f"{found.checkpoints:,} checkpoints were compared; the newest that holds is of "
                f"{found.newest_checkpoint:,} entries."
            )
        else:
            self.stdout.write("There is no checkpoint, so nothing but the database itself vouches for the tree.")
        if not has_outside:
            self.stdout.write(
                "Only a checkpoint from outside (--checkpoint) shows whether the end of the log was cut off, or an old "
                "backup restored."
            )

    def _finding(self, text: str) -> None:
        self.findings += 1
        self.stdout.write(self.style.ERROR(f"FINDING: {text}"))

    def _progress(self, done: int, size: int) -> None:
        if time.monotonic() - self._said > PROGRESS_EVERY:
            self._said = time.monotonic()
            self.stdout.write(f"{done:,} of {size:,} leaves …")


def _outside(path: Path, keys: list[VerifierKey]) -> list[Signed]:
    """Return the checkpoints of a file. Raises CommandError for one that no key signed."""
    try:
        text = path.read_text()
        notes = split_notes(text.partition("\n\n")[2] if text.startswith("old ") else text)
        said = [parse_checkpoint(open_note(note, keys).text) for note in notes]
    except (OSError, UnicodeDecodeError, Unproven) as error:
        raise CommandError(f"{path} is no checkpoint of this log, so nothing was verified: {error}") from error
    several = len(said) > 1
    return [
        Signed(f"The checkpoint {f'of {one.size:,} entries ' if several else ''}in {path}", one.size, one.root)
        for one in said
    ]


def _number(since: int | dt.datetime | None) -> int:
    """Return the number of the first entry to compare; 0 for all of them."""
    if not isinstance(since, dt.datetime):
        return since or 0
    later = LogEntry.objects.filter(at__gte=since).order_by("at", "pk").first()
    newest = LogEntry.objects.order_by("-pk").first()
    return later.pk if later is not None else newest.pk + 1 if newest is not None else 0
