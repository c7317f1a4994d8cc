"""`sessionadmin verify_recordings`: whether each recording is still the file that was hashed when it was closed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.models import Recording
from sessions_app.recordings.storage import digest_of


class Command(BaseCommand):
    """sessionadmin verify_recordings [number ...]"""

    help = (
        "Compare recordings with the SHA-256 that was noted when they were closed. The exit code is 1 if one differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The numbers of recordings."""
        parser.add_argument("numbers", nargs="*", type=int, help="recordings to look at (default: all)")

    def handle(self, *args: Any, numbers: list[int], **options: Any) -> None:
        """Name each that is not as it was."""
        rows = Recording.objects.exclude(path="")
        if numbers:
            rows = rows.filter(pk__in=numbers)
        count = wrong = 0
        for row in rows.order_by("pk").iterator():
            for name, expected in ((row.path, row.sha256), (row.input_path, row.input_sha256)):
                if name:
                    count += 1
                    if problem := _problem(name, expected):
                        wrong += 1
                        self.stdout.write(self.style.ERROR(f"{row}: {name} {problem}"))
        if wrong:
            raise CommandError(f"{wrong:,} of {count:,} files are not as they were when they were closed.")
        self.stdout.write(self.style.SUCCESS(f"{count:,} files are as they were when they were closed."))


def _problem(name: str, expected: str) -> str:
    """What is wrong with the file; empty when nothing is."""
    try:
        found = digest_of(name)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error}"
    return "" if found == expected else f"was changed: its SHA-256 is {found}, noted was {expected}"
