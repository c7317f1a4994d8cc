"""`sessionadmin doctor` checks everything that sessions depend on."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.worker.health import checks, hosts, providers, siem
from sessions_app.worker.health.findings import Grade


class Command(BaseCommand):
    help = (
        "Check the database, worker, GeoIP, keys, sessions, providers of single sign-on, SIEMs and every host. "
        "The exit code is 1 when something is wrong."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--skip-hosts", action="store_true", help="ask no host, provider or SIEM, which takes a moment only"
        )
        parser.add_argument(
            "--seconds",
            type=float,
            default=hosts.ALL_HOSTS_SECONDS,
            help="deadline for all hosts together (default: %(default)s)",
        )

    def handle(self, *args: Any, skip_hosts: bool, seconds: float, **options: Any) -> None:
        """Print one line for each finding, and below it what to do."""
        found = checks.run_thorough_checks()
        if not skip_hosts and not any(one.is_error and one.name == checks.DATABASE for one in found):
            found += providers.check_providers() + siem.check_destinations()
            found += hosts.check_hosts(None, max(seconds, 1.0))
        styles: dict[Grade, Callable[[str], str]] = {
            Grade.OK: str,
            Grade.WARNING: self.style.WARNING,
            Grade.ERROR: self.style.ERROR,
        }
        for one in found:
            self.stdout.write(f"{styles[one.grade](f'{one.grade.value:7}')} {one.name}: {one.text}")
            if one.remedy:
                self.stdout.write(f"        {one.remedy}")
        wrong = sum(one.is_error for one in found)
        if wrong:
            raise CommandError(f"{wrong} of {len(found)} checks failed.")
        self.stdout.write("Nothing is wrong.")
