"""`sessionadmin run_gateway` runs a gateway through which people reach their sessions.

Several may run, also on one port.
"""

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from activity.time_limits import limit_background
from sessions_app.gateway import process
from sessions_app.management.lifetimes import lifetime
from sessions_app.sealing import SealingError
from sessions_app.worker.lease import new_owner


class Command(BaseCommand):
    help = "Let people reach their sessions with an SSH client or from the browser, until SIGTERM or SIGINT."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.GATEWAY_HOST, help="address to listen on (default: %(default)s)")
        parser.add_argument(
            "--port", type=int, default=settings.GATEWAY_PORT, help="port for SSH (default: %(default)s)"
        )
        parser.add_argument(
            "--terminal-port",
            type=int,
            default=settings.GATEWAY_TERMINAL_PORT,
            help="port for terminals in the browser (default: %(default)s)",
        )
        parser.add_argument(
            "--drain-seconds",
            type=float,
            default=settings.GATEWAY_DRAIN_SECONDS,
            help="seconds that people have to finish when the gateway stops (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal. After the first one people have time to finish; a second one ends at once."""
        limit_background()
        process.quiet()
        process.many_files()
        chosen = process.Options(
            owner=new_owner(),
            host=options["host"],
            port=options["port"],
            terminal_port=options["terminal_port"],
            drain_seconds=max(options["drain_seconds"], 0),
        )
        try:
            with lifetime("Gateway"):
                asyncio.run(process.run(chosen, self.announce))
        except process.Failed as error:
            raise CommandError(str(error)) from error
        except SealingError as error:
            raise CommandError(f"{error} The gateway was not started.") from error
        except OSError as error:
            where = f"{chosen.host}, port {chosen.port} or {chosen.terminal_port}"
            raise CommandError(f"Cannot listen on {where}: {error}. The gateway was not started.") from error

    def announce(self, port: int, terminal_port: int) -> None:
        """Print the ports on which people can connect."""
        self.stdout.write(f"Gateway on port {port} for SSH and {terminal_port} for terminals in the browser")
        self.stdout.flush()
