"""Delete old entries of the activity log: arguments and words, the work is in activity/prune.py."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from activity.prune import PruneRefused, older_than, prune
from activity.pruned_files import MaybeDeleted


def _moment(text: str) -> dt.datetime:
    """Return the time of a date (midnight in UTC) or of a time in ISO 8601, in UTC where it has no offset."""
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"“{text}” is not a date. Write it as 2026-01-31.") from error


class Command(BaseCommand):
    help = (
        "Deletes the entries of the activity log that are older than a date; the deletion itself is logged. "
        "Without --yes nothing is deleted: it says what would be."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--before", required=True, type=_moment, metavar="DATE", help="2026-01-31 (midnight UTC) or a full time"
        )
        parser.add_argument(
            "--export",
            type=Path,
            metavar="FILE",
            help="first write the entries to this new file: JSON Lines with proofs and a signed manifest beside it "
            "when it ends with .jsonl, else CSV",
        )
        parser.add_argument("--yes", action="store_true", help="really delete")

    def handle(self, *args: Any, before: dt.datetime, export: Path | None, yes: bool, **options: Any) -> None:
        """Say how many entries there are; with --yes delete them."""
        limit = f"older than {before:%Y-%m-%d %H:%M:%S} UTC"
        try:
            if not yes:
                count = older_than(before)
                self.stdout.write(
                    f"{count:,} log entries are {limit}. Nothing was deleted. Add --yes to delete them for good."
                )
                return
            count = prune(before, export)
        except (PruneRefused, MaybeDeleted) as refusal:
            raise CommandError(str(refusal)) from refusal
        except FileExistsError as error:
            raise CommandError(f"{export} exists already. Nothing was deleted. Name a new file.") from error
        except OSError as error:
            raise CommandError(f"{export} could not be written: {error}. Nothing was deleted.") from error
        if export is not None:
            self.stdout.write(f"Wrote {count:,} log entries to {export}.")
        self.stdout.write(self.style.SUCCESS(f"Deleted {count:,} log entries {limit}."))
