"""`sessionadmin log_checkpoint` prints what to keep outside of the console: checkpoints and keys (docs/evidence.md)."""

from __future__ import annotations

import base64
import datetime as dt
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from activity.seal import checkpoints, tree
from activity.seal.signing import NoSigningKey
from sessions_app.evidence import keys, timestamps
from sessions_app.evidence.models import KeyState


class Command(BaseCommand):
    help = (
        "Print the newest checkpoint of the activity log, or the public keys that sign it. No private key is printed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--keys", action="store_true", help="print the public keys, one a line, the newest first")
        which.add_argument(
            "--since",
            type=int,
            metavar="SIZE",
            help="print the newest checkpoint with the proof that its log begins with the one of SIZE entries",
        )
        which.add_argument(
            "--timestamp",
            type=Path,
            metavar="FILE",
            help="print the newest checkpoint that has an RFC 3161 time-stamp, and write that to FILE",
        )
        which.add_argument("--rotate-key", action="store_true", help="sign with a new key from now on")
        parser.add_argument(
            "--overlap-days",
            type=int,
            default=keys.OVERLAP.days,
            help="how long the previous key signs beside the new one (default: %(default)s)",
        )

    def handle(self, *args: Any, since: int | None, overlap_days: int, **options: Any) -> None:
        """Print what was asked for. Raises CommandError when there is none."""
        try:
            if options["keys"]:
                self.keys()
            elif options["rotate_key"]:
                self.rotate(overlap_days)
            elif options["timestamp"]:
                self.timestamp(options["timestamp"])
            else:
                self.checkpoint(since)
        except (NoSigningKey, LookupError) as error:
            raise CommandError(str(error)) from error

    def checkpoint(self, since: int | None) -> None:
        """Print the newest checkpoint, after the proof of consistency that is asked for (C2SP tlog-witness)."""
        newest = checkpoints.newest()
        if newest is None:
            raise CommandError("There is no checkpoint yet. A worker makes one within a minute; or run: seal_log")
        if since is not None:
            proof = tree.Tree(newest.size).consistency_proof(since)
            lines = [f"old {since}", *(base64.b64encode(each).decode() for each in proof)]
            self.stdout.write("".join(f"{line}\n" for line in [*lines, ""]), ending="")
        self.stdout.write(newest.note, ending="")

    def timestamp(self, file: Path) -> None:
        """Print the newest checkpoint with a time-stamp, and write the time-stamp. Raises CommandError."""
        stamped = timestamps.newest()
        if stamped is None:
            raise CommandError("No checkpoint has a time-stamp. Set EVIDENCE_TSA_URL (docs/evidence.md).")
        try:
            file.write_bytes(bytes(stamped.timestamp or b""))
        except OSError as error:
            raise CommandError(f"{file} could not be written: {error.strerror}.") from error
        self.stdout.write(stamped.note, ending="")

    def keys(self) -> None:
        """Print each public key as the line that people keep."""
        found = keys.every_key()
        if not found:
            keys.active()  # raises, with the words for it
        for key in found:
            self.stdout.write(keys.vkey(key))

    def rotate(self, overlap_days: int) -> None:
        """Make a new key, and print both. Raises CommandError."""
        if not 0 <= overlap_days <= 3650:
            raise CommandError("--overlap-days is between 0 and 3650. Nothing was changed.")
        new = keys.rotate(dt.timedelta(days=overlap_days))
        self.stdout.write(
            f"{new} signs from now on. Keep its line where you keep the previous one:\n\n{keys.vkey(new)}"
        )
        for key in keys.signing():
            if key.state == KeyState.LEAVING and key.signs_until is not None:
                self.stdout.write(f"\n{key} signs beside it until {key.signs_until:%Y-%m-%d %H:%M} UTC.")
