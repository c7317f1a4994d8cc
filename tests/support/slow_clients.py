"""Clients that are slow on purpose, over plain sockets, and a console with a log that is long enough for them."""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support import migrated, programs
from tests.support.waiting import PATIENCE

ENTRIES = 45_000  # some 10 MB as CSV, more than sockets hold
DOWNLOAD = "/activity/?csv=1&period=custom&since=2020-01-01&until=2026-06-30"
_MAKE_PEOPLE = """
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
for name in ("first", "second", "third"):
    client = Client()
    client.force_login(User.objects.create_superuser(name, password="x" * 20))
    print("COOKIE", client.cookies[settings.SESSION_COOKIE_NAME].value)
"""
FORM = (
    "POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    f"Cookie: csrftoken={'a' * 32}\r\n"  # with it Django reads the form, to look for the token
)
WAYS = {
    "a body that does not come": f"{FORM}Content-Length: 1000\r\n\r\nabcdefghij",
    "a body in chunks": f"{FORM}Transfer-Encoding: chunked\r\n\r\na\r\nabcdefghij\r\n",
    "a body that waits for a go-ahead": f"{FORM}Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
    "headers that do not end": "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
    "nothing at all": "",
    "HTTP/2 without a stream that ends": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "a pause after a request": "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}


@dataclass
class Scene:
    """A database, and the cookies of people who are logged in there."""

    var: Path
    cookies: list[str]

    def environment(self, **extra: str) -> dict[str, str]:
        development = {"DJANGO_SETTINGS_MODULE": "sessionadmin.settings.development", "VAR_DIR": str(self.var)}
        return programs.clean_environment(**(development | {"LOG_LEVEL": "WARNING"} | extra))


def make_scene(var: Path, *, entries: int = ENTRIES, people: str = _MAKE_PEOPLE) -> Scene:
    """Make a database with so many log entries and what goes with them, and run code that logs `people` in.

    Unless given, these are three administrators.
    """
    scene = Scene(var, [])
    migrated.copy_to(var)
    commands = []
    if entries:
        many = ["--entries", str(entries), "--sessions", "200", "--users", "20", "--logins", "20", "--seed", "1"]
        volume = [sys.executable, "-m", "benchmarks.volume"]
        commands.append([*volume, *many, "--until", "2026-06-30", "--verbosity", "0"])
    commands.append([*programs.MANAGE, "shell", "--command", people])
    for command in commands:
        done = programs.run(command, scene.environment())
        assert done.returncode == 0, done.stderr
    scene.cookies = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("COOKIE")]
    return scene


@contextlib.contextmanager
def serving(environment: Mapping[str, str], out: Path, *more: str) -> Iterator[programs.Running]:
    """Run a real `serve` with one web process."""
    port = programs.free_port()
    with programs.serving([*programs.MANAGE, "serve", "--port", str(port), *more], environment, port, out) as running:
        yield running


@contextlib.contextmanager
def clients(port: int, count: int, sent: str, *, reads_little: bool = False) -> Iterator[list[socket.socket]]:
    """Open `count` sockets that have each sent `sent`, and close them afterwards."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            one = stack.enter_context(socket.socket())
            one.settimeout(PATIENCE)
            if reads_little:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", port))
            one.sendall(sent.encode("latin1"))
            opened.append(one)
        yield opened


def get(path: str, cookie: str = "", **headers: str) -> str:
    """Return the text of a GET request as it is sent over the connection."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, *([f"Cookie: sessionid={cookie}"] if cookie else []), "", ""])


def is_open(one: socket.socket) -> bool:
    """Return whether the server has neither answered nor closed the connection."""
    return not select.select([one], [], [], 0)[0]


def read_all(one: socket.socket) -> str:
    """Return everything that arrives until the server closes the connection."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := one.recv(65536):
            data += piece
    return data.decode("latin1")


def trickle(one: socket.socket, every: float) -> str:
    """Send a byte now and then until the server closes; what it said."""
    deadline = time.monotonic() + PATIENCE
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while not select.select([one], [], [], every)[0]:
            assert time.monotonic() < deadline, "still open"
            one.sendall(b"x")
    return read_all(one)
