"""Erase the personal data of one log entry: arguments and words, the work is in activity/erase.py."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from activity.erase import EraseRefused, erasable, erase
from activity.seal.tree import TreeDamaged


class Command(BaseCommand):
    help = (
        "Erases the personal data of one entry of the activity log: names, message, target, address and details. "
        "Its number, time, verb, level and outcome stay, and so does its hash. The log and a signed statement say so. "
        "Without --yes nothing is changed: it shows the entry."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("entry", type=int, help="number of the entry")
        parser.add_argument("--reason", required=True, help="why; do not name the person, because the log keeps it")
        parser.add_argument("--yes", action="store_true", help="really erase")

    def handle(self, *args: Any, entry: int, reason: str, yes: bool, **options: Any) -> None:
        """Show the entry; with --yes erase its personal data. Raises CommandError where that is refused."""
        try:
            if not yes:
                self.stdout.write(f"Entry {entry}: {erasable(entry)}")
                self.stdout.write("Nothing was changed. Add --yes to erase its personal data for good.")
                return
            erase(entry, reason)
        except (EraseRefused, TreeDamaged) as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(self.style.SUCCESS(f"Erased the personal data of entry {entry}. Backups still hold it."))
