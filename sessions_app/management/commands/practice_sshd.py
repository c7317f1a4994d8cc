"""`sessionadmin practice_sshd` runs a real host to practise on: this machine itself, on a port of loopback."""

import signal
import subprocess
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sessions_app.hosts.ssh import ca
from sessions_app.management import sshd
from sessions_app.management.signals import set_by_signals
from sessions_app.sample import practice_host
from sessions_app.sealing import SealingError

ENDS = (signal.SIGTERM, signal.SIGINT)
LOOK_EVERY_SECONDS = 0.5


class Command(BaseCommand):
    """Prepares and starts sshd, and ends it when the command is ended."""

    help = (
        "Serve this machine as a practice host on loopback, until SIGTERM or SIGINT. Sessions on it make real accounts "
        "here and remove them again. Needs root and OpenSSH's sshd; for a trial, never for production."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--accounts", default=sshd.ACCOUNTS, help="pattern of the accounts that may log in (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make keys and sample policy on the first start, then serve."""
        program = sshd.program()
        if program is None:
            raise CommandError("A practice host needs root and OpenSSH's sshd. Nothing was started.")
        directory = Path(settings.VAR_DIR) / "practice_sshd"
        port = sshd.free_port(practice_host.port_of())
        try:
            practice_host.announce(sshd.ADDRESS, port, sshd.host_key(directory))
        except SealingError as error:
            raise CommandError(f"{error} Nothing was started.") from error
        config = sshd.configure(directory, port, [one.public_key for one in ca.trusted()], options["accounts"])
        self.stdout.write(
            f"Practice host {practice_host.NAME} on {sshd.ADDRESS} port {port}: sessions on it make real accounts on "
            "this machine, and remove them again (PRACTICE_HOST=0 leaves it out)."
        )
        self.stdout.flush()
        self.serve([program, "-D", "-e", "-f", str(config)], directory / "log")

    def serve(self, command: list[str], log: Path) -> None:
        """Run sshd until a signal ends this command. Raises CommandError when sshd ends by itself."""
        stopping = threading.Event()
        with set_by_signals(stopping, *ENDS):
            with log.open("ab") as sink:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)  # noqa: S603 - our own words
            while process.poll() is None and not stopping.wait(LOOK_EVERY_SECONDS):
                continue
            process.terminate()
            code = process.wait()
        if not stopping.is_set():
            raise CommandError(f"sshd ended with exit code {code}; {log} says why.")
