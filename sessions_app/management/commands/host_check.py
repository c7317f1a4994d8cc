"""`sessionadmin host_check NAME` says what works on a host, and confirms its host key by fingerprint."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.catalogue.models import Resource
from sessions_app.errors import Refused
from sessions_app.hosts.flows import host_key


class Command(BaseCommand):
    help = "Test the connection to a host: reach, host key, login, root, tools. Exit code 1 when something fails."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="name of the resource")
        parser.add_argument("--confirm", metavar="SHA256:...", default="", help="pin the host key if it is this one")

    def handle(self, *args: Any, name: str, confirm: str, **options: Any) -> None:
        """Print one line for each thing that was checked."""
        resource = Resource.objects.select_related("service_key").filter(name=name).first()
        if resource is None:
            raise CommandError(f"There is no resource “{name}”.")
        try:
            report = host_key.check(None, resource)
            if confirm:
                if not report.fingerprint or confirm != report.fingerprint:
                    shown = report.fingerprint or "no key"
                    raise CommandError(f"The host shows {shown}, not {confirm}. Nothing was changed.")
                host_key.confirm_host_key(None, resource, key=report.shown_key, instead_of=resource.host_key)
                self.stdout.write(f"Confirmed {confirm}")
                report = host_key.check(None, resource)
        except Refused as error:
            raise CommandError(error.message) from error
        for line in report.lines:
            self.stdout.write(f"{'ok  ' if line.is_good else 'FAIL'} {line.what}: {line.text}")
        if not report.is_good:
            raise CommandError(
                f"Something on {name} does not work yet. How to prepare a host: "
                "docs/hosts.md#prepare-a-host-in-five-minutes"
            )
