"""`sessionadmin run_worker` runs a worker, which moves sessions that are due.

Several may run on PostgreSQL, one on SQLite.
"""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from activity.time_limits import limit_background
from sessions_app.management.lifetimes import lifetime
from sessions_app.management.signals import set_by_signals
from sessions_app.worker import loop, reconcile


class Command(BaseCommand):
    help = "Start, provision, watch, expire and clean up privileged sessions, until SIGTERM or SIGINT."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--interval", type=float, default=1.0, help="seconds between passes (default: %(default)s)")
        parser.add_argument("--threads", type=int, default=16, help="sessions handled at a time (default: %(default)s)")
        parser.add_argument("--once", action="store_true", help="make one pass, one session at a time, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal, then finish the steps that are under way."""
        limit_background()
        if options["once"]:
            count = reconcile()
            self.stdout.write(f"{count} session{'' if count == 1 else 's'} handled.")
            return
        stop = threading.Event()
        with set_by_signals(stop, signal.SIGTERM, signal.SIGINT), lifetime("Worker"):
            loop.run(stop, interval=max(options["interval"], 0.1), threads=max(options["threads"], 1))
