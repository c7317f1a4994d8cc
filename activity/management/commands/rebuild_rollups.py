"""Count the entries of the log anew for the chart: the work is in activity/rollups/counting.py."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from activity.rollups.counting import begin_again, roll


class Command(BaseCommand):
    help = (
        "Throws away the counts from which the chart over the activity log is drawn, and counts all sealed entries "
        "anew. The log itself is only read. Meanwhile the chart counts entries, which takes longer."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Count anew, and say how many entries were counted here; workers may count some of them."""
        begin_again()
        self.stdout.write(self.style.SUCCESS(f"Counted {roll():,} sealed entries. A worker counts what follows."))
