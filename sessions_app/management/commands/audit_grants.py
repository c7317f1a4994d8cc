"""`sessionadmin audit_grants NAME`: what a host holds of sessions that are over, and removing it on request."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.connectors.base import ConnectorError
from sessions_app.flows.errors import Refused
from sessions_app.flows.leftovers import find_leftovers, remove_leftovers
from sessions_app.models import Resource


class Command(BaseCommand):
    """Arguments, and what is printed."""

    help = "List what a host holds of sessions that are not going on. Exit code 1 when something is left."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See `sessionadmin audit_grants --help`."""
        parser.add_argument("name", help="of the resource")
        parser.add_argument("--remove", action="store_true", help="take it away; homes of unknown sessions are kept")

    def handle(self, *args: Any, name: str, remove: bool, **options: Any) -> None:
        """One line for each thing that is left."""
        resource = Resource.objects.select_related("service_key").filter(name=name).first()
        if resource is None:
            raise CommandError(f"There is no resource “{name}”.")
        try:
            found = find_leftovers(resource)
            for one in found:
                self.stdout.write(f"session {one.session_id}: {one.what}")
            if found and remove:
                numbers = remove_leftovers(resource, found)
                self.stdout.write(f"Removed what was left of {len(numbers)} session{'' if len(numbers) == 1 else 's'}.")
                found = find_leftovers(resource)
        except Refused as error:
            raise CommandError(error.message) from error
        except ConnectorError as error:
            raise CommandError(str(error)) from error
        if found:
            left = ", ".join(f"{one.what} of session {one.session_id}" for one in found)
            raise CommandError(f"Left on {name}: {left}." + ("" if remove else " Remove it with --remove."))
        self.stdout.write(f"{name} holds nothing of sessions that are over.")
