"""`sessionadmin serve`: the web server, with its companions when asked. The same in a trial and in production."""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.utils.module_loading import import_string
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from sessions_app.management.companions import Companion, end_with_parent

DEFAULT_THREADS = 5  # a worker; more only wait for Python's lock, and each holds a database connection
STOP_WITHIN = 10  # seconds a web process may take to finish its requests
GATEWAY_DRAINS = 3  # seconds people have to leave a gateway that stops with the console


class Command(BaseCommand):
    """Arguments, and the order in which things start and stop."""

    help = "Serve the console over HTTP with granian."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See `sessionadmin serve --help`."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
        parser.add_argument("--workers", type=int, default=1, help="web processes (default: %(default)s)")
        parser.add_argument("--threads", type=int, default=DEFAULT_THREADS, help="in each (default: %(default)s)")
        parser.add_argument("--with-worker", action="store_true", help="also run `run_worker`, and keep it alive")
        parser.add_argument("--with-gateway", action="store_true", help="also run `run_gateway`, and keep it alive")
        parser.add_argument("--with-practice-host", action="store_true", help="also run `practice_sshd`: for a trial")
        parser.add_argument("--access-log", action="store_true", help="print one line a request")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGINT or SIGTERM.

        1. Refuse a port that somebody else uses.
        2. Let granian listen and take over the signals, then start the companions.
        3. When it ends, however it ends, stop the companions.
        """
        host, port = options["host"], options["port"]
        refuse_port_in_use(host, port)
        if options["with_gateway"] and (busy := gateway_port_in_use()):
            raise CommandError(busy)
        companions = [Companion(arguments, self.stderr.write) for arguments in companion_commands(options)]
        server = Server(
            target=settings.WSGI_APPLICATION,
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            workers=options["workers"],
            blocking_threads=options["threads"],
            websockets=False,
            workers_kill_timeout=STOP_WITHIN,
            respawn_failed_workers=True,
            log_level=LogLevels.warning,
            log_access=options["access_log"],
        )

        @server.on_startup
        def start() -> None:
            if hasattr(signal, "SIGHUP") and sys.stdin.isatty():
                # A closed terminal ends a trial. Without one, SIGHUP renews the web processes, as granian does.
                signal.signal(signal.SIGHUP, server.signal_handler_interrupt)
            for companion in companions:
                companion.start()
            threading.Thread(target=self.announce, args=(host, port), daemon=True).start()

        # Never fork: a web process forked while a companion is being started inherits the pipe on which Popen waits,
        # and the companion's thread then hangs for as long as that web process lives.
        multiprocessing.set_start_method("spawn", force=True)
        connections.close_all()
        try:
            server.serve(target_loader=load_application)
        finally:
            for companion in companions:
                companion.stop()

    def announce(self, host: str, port: int) -> None:
        """Say where to go, as soon as a page is answered there. Asking for it also warms the web process up."""
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
        known_as = settings.ALLOWED_HOSTS[0].lstrip(".") if settings.ALLOWED_HOSTS else here
        while not answers(here, port, known_as):
            time.sleep(0.05)
        self.stdout.write(f"Serving on {address_shown(here, port)}  (Ctrl+C stops)")
        self.stdout.flush()


def answers(host: str, port: int, known_as: str) -> bool:
    """Whether a web server at `host`:`port` answers a request for the site `known_as`, whatever it answers."""
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
    """The management commands that run beside the server."""
    commands = []
    if options["with_worker"]:
        commands.append(["run_worker"])
    if options["with_gateway"]:
        commands.append(["run_gateway", "--drain-seconds", str(GATEWAY_DRAINS)])
    if options["with_practice_host"]:
        commands.append(["practice_sshd"])
    return commands


def load_application(target: str) -> Callable[..., Any]:
    """The WSGI application, in a web process that ends when its server is killed.

    The process leaves the terminal's foreground group, so that Ctrl+C reaches the server alone. granian 2.8 hangs until
    it is killed when the terminal's SIGINT and the server's SIGTERM reach a web process within the same moment.
    """
    os.setpgid(0, 0)
    end_with_parent(os.getppid())
    application: Callable[..., Any] = import_string(target)
    return application


def refuse_port_in_use(host: str, port: int) -> None:
    """Raise CommandError when `host`:`port` cannot be listened on.

    granian listens with SO_REUSEPORT, which would let two consoles share one port without a word.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        raise CommandError(
            f"Cannot listen on {host} port {port}: {error}. Nothing was started. "
            f"Stop what uses the port, or choose another: `make run PORT={port + 1}` or `serve --port {port + 1}`."
        ) from error


def gateway_port_in_use() -> str:
    """Why no gateway can be started here; empty when one can. Two share a port as easily as two consoles."""
    for port in (settings.GATEWAY_PORT, settings.GATEWAY_TERMINAL_PORT):
        try:
            refuse_port_in_use(settings.GATEWAY_HOST, port)
        except CommandError:
            return (
                f"No gateway was started: port {port} is in use. "
                "Stop what uses it, or set GATEWAY_PORT and GATEWAY_TERMINAL_PORT."
            )
    return ""


def address_shown(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
