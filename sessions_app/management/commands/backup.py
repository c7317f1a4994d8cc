"""`sessionadmin backup FILE` writes everything that a console needs to come back into one file, while it runs."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.management import archive, dumps


class Command(BaseCommand):
    help = "Write the database, the recordings on this machine and the keys to one new file. The console may run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="path of a new file, which only its owner may read")
        parser.add_argument("--without-keys", action="store_true", help="leave SECRET_KEY and ENCRYPTION_KEYS out")

    def handle(self, *args: Any, file: Path, without_keys: bool, **options: Any) -> None:
        """Write the backup under another name first, so that a file of the final name is always complete."""
        if file.exists():
            raise CommandError(f"{file} is there already. Nothing was written. Choose another name.")
        try:
            with tempfile.TemporaryDirectory(dir=file.parent, prefix=".backup-") as scratch:  # mode 0700
                database, part = Path(scratch) / archive.DATABASE, Path(scratch) / "whole"
                dumps.dump(database)
                count = archive.write(part, database, with_keys=not without_keys)
                part.replace(file)
        except OSError as error:
            raise CommandError(f"{file} could not be written: {error.strerror}. There is no backup.") from error
        self.stdout.write(f"Wrote {file}: the database and {count} recording{'' if count == 1 else 's'}.")
        if archive.recordings_directory() is None:
            self.stdout.write(
                "Recordings are in another storage and not in this file. Back that storage up separately."
            )
        held = (
            "It does not hold the keys"
            if without_keys
            else "It holds the keys: anybody who has it can decrypt everything"
        )
        self.stdout.write(f"{held}. Keep it where nobody else can read it.")
