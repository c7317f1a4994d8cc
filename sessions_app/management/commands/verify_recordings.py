"""`sessionadmin verify_recordings` checks that each recording is still the file that was hashed when it was closed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.gateway.recordings.models import Recording
from sessions_app.gateway.recordings.storage import difference


class Command(BaseCommand):
    help = (
        "Compare recordings with the SHA-256 that was noted when they were closed. The exit code is 1 if one differs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("numbers", nargs="*", type=int, help="numbers of the recordings (default: all)")

    def handle(self, *args: Any, numbers: list[int], **options: Any) -> None:
        """Compare the recordings, and name each that differs. Raises CommandError when one does."""
        rows = Recording.objects.filter(ended_at__isnull=False, removed_at=None).select_related("session")
        if numbers:
            rows = rows.filter(pk__in=numbers)
            self._say_which_have_none(numbers)
        count = wrong = 0
        for row in rows.order_by("pk").iterator():
            files = [(row.path, row.sha256)]
            if row.input_path or row.input_sha256:
                files.append((row.input_path, row.input_sha256))
            for name, expected in files:
                problem = difference(name, expected)
                if problem and Recording.objects.filter(pk=row.pk).exclude(removed_at=None).exists():
                    continue  # removed by the retention meanwhile
                count += 1
                if problem:
                    wrong += 1
                    self.stdout.write(self.style.ERROR(f"{row}: {name or 'its file'} {problem}"))
        if wrong:
            raise CommandError(f"{wrong:,} of {count:,} files differ, are missing or cannot be read.")
        self.stdout.write(self.style.SUCCESS(f"{count:,} files are as they were when they were closed."))

    def _say_which_have_none(self, numbers: list[int]) -> None:
        """Print which of these recordings have no file. Raises CommandError for unknown numbers."""
        found = Recording.objects.select_related("session").in_bulk(numbers)
        if unknown := sorted(set(numbers) - set(found)):
            raise CommandError(f"There is no recording {', '.join(map(str, unknown))}. Nothing was compared.")
        for row in found.values():
            if row.ended_at is None:
                self.stdout.write(self.style.WARNING(f"{row} is not closed yet: there is no file to compare."))
            elif row.removed_at is not None:
                self.stdout.write(self.style.WARNING(f"{row} was removed when its time was over; its hash is kept."))
