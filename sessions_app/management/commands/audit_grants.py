"""`sessionadmin audit_grants NAME` lists what a host holds of sessions that are over, and removes it on request.

It also lists what is new on the host since before a session.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app.catalogue.connectors import ConnectorError
from sessions_app.catalogue.models import Resource
from sessions_app.errors import Refused
from sessions_app.hosts.flows.leftovers import compare_deep, files_elsewhere, find_leftovers, remove_leftovers

MOST_SHOWN = 20  # files that are named for one session


class Command(BaseCommand):
    help = "List what a host holds of sessions that are over. The exit code is 1 when something is left."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="name of the resource")
        parser.add_argument(
            "--remove", action="store_true", help="remove what is left, except homes of unknown sessions"
        )

        parser.add_argument(
            "--deep",
            action="store_true",
            help="also list what is new since before the latest session whose connection profile compares the host: "
            "accounts, sudo rules, keys, jobs, units, setuid files, ports. This is no proof: root can hide things.",
        )
        parser.add_argument("--session", type=int, help="number of another session for --deep")

    def handle(self, *args: Any, name: str, remove: bool, deep: bool, session: int | None, **options: Any) -> None:
        """Print one line for each thing that is left, and for each that is new. Only the first are an error."""
        resource = Resource.objects.select_related("service_key").filter(name=name).first()
        if resource is None:
            raise CommandError(f"There is no resource “{name}”.")
        try:
            if deep:
                self._say_what_is_new(resource, session)
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
        self._say_files_elsewhere(resource)
        if found:
            left = ", ".join(f"{one.what} of session {one.session_id}" for one in found)
            raise CommandError(f"Left on {name}: {left}." + ("" if remove else " Remove it with --remove."))
        self.stdout.write(f"{name} holds nothing of sessions that are over.")

    def _say_files_elsewhere(self, resource: Resource) -> None:
        """Print the files that sessions left elsewhere on the host.

        They may be the work that a session was for, so they are no error, and --remove leaves them.
        """
        rows, waiting, problem = files_elsewhere(resource)
        for row in rows:
            self.stdout.write(
                f"session {row.session_id}: {row.words(MOST_SHOWN)}, when the host was searched at "
                f"{row.searched_at:%Y-%m-%d %H:%M} UTC; look at them, they are not removed here"
            )
        if waiting:
            many = f"{waiting} session{'' if waiting == 1 else 's'}"
            self.stdout.write(f"{resource.name} is still to be searched for files of {many}. {problem}".strip())

    def _say_what_is_new(self, resource: Resource, session: int | None) -> None:
        row, news, problem = compare_deep(resource, session)
        until = f"{row.after_at:%Y-%m-%d %H:%M} UTC" if row.after_at else "now"
        self.stdout.write(
            f"Session {row.session_id}, {row.before_at:%Y-%m-%d %H:%M} UTC until {until}, whoever did it:"
        )
        for what, kind, name, value in news:
            self.stdout.write(f"  {what} {kind} {name}" + (f": {value}" if value else ""))
        if not news:
            self.stdout.write("  Nothing of what was compared has changed.")
        if problem:
            self.stdout.write(f"  {problem}")
        self.stdout.write("This is a help and no proof: somebody who was root can hide from it.")
