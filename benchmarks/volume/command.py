"""`python -m benchmarks.volume` fills a database with millions of made-up rows, for measuring."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from benchmarks.volume.generate import VolumeRequest, generate
from benchmarks.volume.population import real_people


class Command(BaseCommand):
    """The arguments of the command, which is no command of the product. The data is made in generate.py."""

    help = (
        "Generate made-up people, sessions, logins and log entries: three years of them, with busy and quiet users, "
        "bursts, and words of known frequency. For measuring; none of the sessions gives anybody rights."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--entries", type=int, required=True, metavar="N", help="number of log entries")
        parser.add_argument(
            "--sessions", type=int, required=True, metavar="N", help="number of privileged sessions, all ended"
        )
        parser.add_argument(
            "--users", type=int, required=True, metavar="N", help="number of people, none of whom can log in"
        )
        parser.add_argument(
            "--logins", type=int, metavar="N", help="number of login sessions (default: ten for each user)"
        )
        parser.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed gives the same rows")
        parser.add_argument(
            "--until", type=dt.date.fromisoformat, metavar="DATE", help="day on which the data ends (default: today)"
        )
        parser.add_argument(
            "--into-real-data",
            action="store_true",
            help="generate into a database with real data, whose log keeps the entries for ever",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Refuse a database with real data, then generate."""
        wanted = read(options)
        if not options["into_real_data"] and (real := real_people()):
            raise CommandError(
                f"This database has real data: {real:,} of its accounts are neither generated nor sample accounts. "
                "Nothing was changed. Generated log entries cannot be inserted from real ones nor be deleted alone. "
                "Point DATABASE_URL to another database, or use --into-real-data."
            )
        for poured in generate(wanted):
            self.stdout.write(str(poured))


def read(options: dict[str, Any]) -> VolumeRequest:
    """Return what the options ask for. Raises CommandError for what cannot be generated."""
    for name in ("entries", "sessions", "logins"):
        if (options[name] or 0) < 0:
            raise CommandError(f"--{name} needs a number of zero or more. Nothing was changed.")
    if options["users"] < 1:
        raise CommandError(
            "--users needs a number above zero, because every entry belongs to somebody. Nothing was changed."
        )
    day = options["until"]
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    return VolumeRequest(
        entries=options["entries"],
        sessions=options["sessions"],
        logins=10 * options["users"] if options["logins"] is None else options["logins"],
        users=options["users"],
        seed=options["seed"],
        until=dt.datetime.combine(day, dt.time(), dt.UTC) if day else now,
    )
