"""`sessionadmin serve` runs the web server, and its companions when asked, in a trial as in production."""

import signal
import socket
import sys
import threading
import time
from argparse import ArgumentParser
from http.client import HTTPConnection, HTTPException
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from sessions_app.management.companions import Companion, stop_all
from sessions_app.management.lifetimes import lifetime
from sessions_app.management.ports import gateway_port_in_use, refuse_port_in_use
from sessions_app.management.signals import set_by_signals
from sessions_app.management.web_clock import WebClock

DEFAULT_THREADS = 5  # of a web process; more would only wait for Python's lock, and each holds a database connection
GATEWAY_DRAINS = 3  # seconds people have to leave a gateway that stops with the console
WEB_PROCESS = "sessions_app.management.web_process"
LONGEST_WEB_PAUSE = 5.0  # seconds without a web process that dies again and again
BACKLOG = 2048  # connections that the system holds until a web process takes them


class Command(BaseCommand):
    """Starts and stops the web processes and their companions in order."""

    help = "Serve the console over HTTP."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
        parser.add_argument("--workers", type=int, default=1, help="number of web processes (default: %(default)s)")
        parser.add_argument(
            "--threads", type=int, default=DEFAULT_THREADS, help="threads of each web process (default: %(default)s)"
        )
        parser.add_argument("--with-worker", action="store_true", help="also run `run_worker`, and keep it alive")
        parser.add_argument("--with-gateway", action="store_true", help="also run `run_gateway`, and keep it alive")
        parser.add_argument("--with-practice-host", action="store_true", help="also run `practice_sshd`, for a trial")
        parser.add_argument("--access-log", action="store_true", help="print one line for each request")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGINT or SIGTERM; SIGHUP renews the web processes, one after the other.

        1. Refuse a port that somebody else uses.
        2. Open a socket for each web process, so that clients wait and are not refused while one is started again.
        3. Start them and the companions; each is started again when it dies, and ends no other.
        4. When it ends, however it ends, stop them all.
        """
        host, port = options["host"], options["port"]
        refuse_port_in_use(host, port)
        if options["with_gateway"] and (busy := gateway_port_in_use()):
            raise CommandError(busy)
        sockets = [listen(host, port) for _ in range(options["workers"])]
        webs = [self.web_process(number, one, options) for number, one in enumerate(sockets, start=1)]
        beside = [Companion(arguments[0], arguments, self.stderr.write) for arguments in companion_commands(options)]
        over, renewed = threading.Event(), threading.Event()
        web_clock = WebClock(over)
        at_hangup = over if sys.stdin.isatty() else renewed  # a closed terminal ends a trial
        connections.close_all()
        with (
            set_by_signals(over, signal.SIGINT, signal.SIGTERM),
            set_by_signals(at_hangup, signal.SIGHUP),
            lifetime("Console"),
        ):
            web_clock.start()  # before `try`: what was not started cannot be waited for
            try:
                for companion in [*webs, *beside]:
                    companion.start()
                threading.Thread(target=self.announce, args=(host, port), daemon=True).start()
                while not over.wait(0.2):
                    if renewed.is_set():
                        renewed.clear()
                        for web in webs:
                            web.renew()
            finally:
                over.set()
                stop_all([*webs, *beside])
                web_clock.finish()
                for one in sockets:
                    one.close()

    def web_process(self, number: int, listening: socket.socket, options: dict[str, Any]) -> Companion:
        """Return the web process that serves on the socket `listening`."""
        descriptor = listening.fileno()
        arguments = [str(descriptor), str(options["threads"]), str(int(options["access_log"]))]
        return Companion(
            f"Web process {number}",
            arguments,
            self.stderr.write,
            module=WEB_PROCESS,
            descriptors=[descriptor],
            longest_pause=LONGEST_WEB_PAUSE,
        )

    def announce(self, host: str, port: int) -> None:
        """Print the address as soon as a page is answered there. The request also warms the web process up."""
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
        known_as = settings.ALLOWED_HOSTS[0].lstrip(".") if settings.ALLOWED_HOSTS else here
        while not answers(here, port, known_as):
            time.sleep(0.05)
        self.stdout.write(f"Serving on {address_shown(here, port)}  (Ctrl+C stops)")
        self.stdout.flush()


def answers(host: str, port: int, known_as: str) -> bool:
    """Return whether a web server at `host`:`port` answers a request for the site `known_as`, in whatever way."""
    connection = HTTPConnection(host, port, timeout=10)
    try:
        connection.request("HEAD", "/", headers={"Host": known_as})
        connection.getresponse().read()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True


def companion_commands(options: dict[str, Any]) -> list[list[str]]:
    """Return the management commands that run beside the server."""
    commands = []
    if options["with_worker"]:
        commands.append(["run_worker"])
    if options["with_gateway"]:
        commands.append(["run_gateway", "--drain-seconds", str(GATEWAY_DRAINS)])
    if options["with_practice_host"]:
        commands.append(["practice_sshd"])
    return commands


def listen(host: str, port: int) -> socket.socket:
    """Return a new listening socket.

    Each web process has its own, and the system shares the connections among them. From one socket for all, one process
    would take every connection that comes while it is waiting.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(address)
    listening.listen(BACKLOG)
    return listening


def address_shown(host: str, port: int) -> str:
    """Return what to type into a browser on this machine."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
