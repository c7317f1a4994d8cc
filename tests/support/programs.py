"""Starts the commands of this repository as real processes, for tests that need to see them live and die."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import START_PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
MANAGE = [sys.executable, str(ROOT / "manage.py")]
# HOST_ACCOUNT_IDS: numbers that no other process of the tests gives (own_accounts.py).
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "HOST_ACCOUNT_IDS")


def clean_environment(**extra: str) -> dict[str, str]:
    """Return only those variables of the tests' environment that a program needs to start, and `extra`.

    A trial does not fetch a city database, unless `extra` says otherwise.
    """
    return {key: value for key, value in os.environ.items() if key in KEPT} | {"GEOIP_FETCH": "0"} | extra


def production(**extra: str) -> dict[str, str]:
    """Return an environment with which the production settings start."""
    good = {
        "DJANGO_SETTINGS_MODULE": "sessionadmin.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "console.example.com",
    }
    return clean_environment(**(good | extra))


def run(
    command: Sequence[str], environment: Mapping[str, str], directory: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run to the end; output and errors as text."""
    return subprocess.run(
        command,
        env=dict(environment),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=START_PATIENCE,
        check=False,
    )


def free_port() -> int:
    """Return a port of loopback on which nobody listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Running:
    """A server that is answering, and what it has printed."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def printed(self) -> str:
        return self.output.read_text()

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Return status and text of one page. Redirects are not followed."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=named)
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


@contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str], port: int, output: Path) -> Iterator[Running]:
    """Run a command that serves on `port` until the block ends; it is interrupted then if it still runs."""
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=ROOT,
            stdout=sink,
            stderr=sink,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    running = Running(process, port, output)
    try:
        wait_until(lambda: _answers(port) or process.poll() is not None, f"answers on port {port}", START_PATIENCE)
        assert process.poll() is None, running.printed()
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(START_PATIENCE)


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def descendants(pid: int) -> dict[int, str]:
    """Return the number and the command line of every live process below `pid`."""
    children: dict[int, list[int]] = {}
    commands: dict[int, str] = {}
    for line in _processes():
        number, parent, state, arguments = line.split(None, 3)
        if not state.startswith("Z"):
            children.setdefault(int(parent), []).append(int(number))
            commands[int(number)] = arguments
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found[child] = commands[child]
            waiting.append(child)
    return found


def still_alive(pids: Sequence[int]) -> list[str]:
    """Return the lines of ps for those of `pids` that are alive. Zombies do not count."""
    return [line for line in _processes() if int(line.split()[0]) in pids and not line.split()[2].startswith("Z")]


def _processes() -> list[str]:
    columns = ["ps", "-ww", "-eo", "pid=,ppid=,state=,args="]
    return subprocess.run(columns, capture_output=True, text=True, check=True).stdout.splitlines()
