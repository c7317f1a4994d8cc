"""`sessionadmin practice_host` plays a host and its users, to see how the console reacts."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from activity.text import plain
from sessions_app.catalogue.connectors import ConnectorError
from sessions_app.hosts.connectors import practice


class Command(BaseCommand):
    """The arguments and output of the command. The practice connector does the work."""

    help = "Play a practice host: log in and off, take it down and up, list the grants it holds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, text in (("login", "log in through a session"), ("logoff", "log off")):
            actions.add_parser(name, help=text).add_argument("session", type=int, help="number of the session")
        down = actions.add_parser("down", help="take a resource down")
        down.add_argument("resource", help="name of the resource")
        down.add_argument("--broken", action="store_true", help="stay reachable, but refuse every change")
        actions.add_parser("up", help="bring a resource up").add_argument("resource", help="name of the resource")
        actions.add_parser("list", help="list every grant")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do one action and say what happened."""
        action: str = options["action"]
        try:
            getattr(self, f"_{action}")(options)
        except ConnectorError as error:
            raise CommandError(str(error)) from error

    def _login(self, options: dict[str, Any]) -> None:
        state = practice.log_on(options["session"])
        self.stdout.write(f"{state['account']} is logged in to {state['resource']}.")

    def _logoff(self, options: dict[str, Any]) -> None:
        practice.log_off(options["session"])
        self.stdout.write("Logged off.")

    def _down(self, options: dict[str, Any]) -> None:
        practice.set_state(options["resource"], practice.BROKEN if options["broken"] else practice.UNREACHABLE)
        how = "refuses every change" if options["broken"] else "cannot be reached"
        self.stdout.write(f"{options['resource']} {how} until: practice_host up '{options['resource']}'")

    def _up(self, options: dict[str, Any]) -> None:
        practice.set_state(options["resource"], "")
        self.stdout.write(f"{options['resource']} is up.")

    def _list(self, options: dict[str, Any]) -> None:
        found = practice.grants()
        for _, state in found:
            notes = [note for note in ("logged_on", "locked") if state[note]]
            line = (
                f"session {state['session']}: {state['account']} on {state['resource']} until {state['ends_at']} "
                f"({', '.join(state['rights']) or 'no rights'}) {' '.join(notes)}"
            )
            self.stdout.write(plain(line))
        self.stdout.write(f"{len(found)} grant{'' if len(found) == 1 else 's'}.")
