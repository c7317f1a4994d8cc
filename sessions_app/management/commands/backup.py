"""`sessionadmin backup FILE`: everything that a console needs to come back, in one file, while it runs."""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.management import archive, dumps


class Command(BaseCommand):
    """Arguments, and what is printed."""

    help = "Write the database, the recordings on this machine and the keys to one new file. The console may run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See `sessionadmin backup --help`."""
        parser.add_argument("file", type=Path, help="a new file; only its owner may read it")
        parser.add_argument("--without-keys", action="store_true", help="SECRET_KEY and ENCRYPTION_KEYS stay out")

    def handle(self, *args: Any, file: Path, without_keys: bool, **options: Any) -> None:
        """Write it under another name first, so that a file of that name is always a whole backup."""
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
            self.stdout.write("Recordings lie in another storage and are not in it: back that up by its own means.")
        held = "It does not hold the keys" if without_keys else "It holds the keys: whoever has it can open everything"
        self.stdout.write(f"{held}. Keep it where nobody else can read it.")
