"""`sessionadmin seal_log` seals the activity log by hand, as a worker does it all the time (docs/evidence.md)."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from activity.models import LogEntry
from activity.seal import behind, checkpoints, tree
from activity.seal.models import SealState
from activity.seal.sealing import Sealing
from activity.seal.signing import NoSigningKey

WAIT_SECONDS = 5.0  # seconds for transactions that are open
PAUSE_SECONDS = 0.1


class Command(BaseCommand):
    help = "Seal the entries of the activity log that are not sealed yet, and make a checkpoint, as a worker does."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal, and say what was sealed. Raises CommandError when the tree is damaged or nothing can be signed."""
        sealing, sealed, until = Sealing("seal_log"), 0, time.monotonic() + WAIT_SECONDS
        try:
            while True:
                sealed += sealing.seal(is_alone=True)
                if sealing.settled.waiting_since is None or time.monotonic() > until:
                    break
                time.sleep(PAUSE_SECONDS)
            made = checkpoints.make()
        except tree.TreeDamaged as error:
            raise CommandError(f"{error} What was sealed before stays so.") from error
        except NoSigningKey as error:
            raise CommandError(f"{sealed:,} entries were sealed, but no checkpoint was made. {error}") from error
        state = SealState.current()
        self.stdout.write(f"{sealed:,} entries were sealed. {state.size:,} are sealed, up to number {state.last_id:,}.")
        if made is not None:
            self.stdout.write(f"A checkpoint of {made.size:,} entries was made; see: sessionadmin log_checkpoint")
        if waiting := LogEntry.objects.filter(pk__gt=state.last_id).count():
            why = sealing.settled.waiting_for()
            self.stdout.write(f"{waiting:,} wait until {why} has ended." if why else f"{waiting:,} came meanwhile.")
        for pk in behind.look():
            self.stderr.write(self.style.ERROR(f"Entry {pk:,} appeared behind the seal."))
