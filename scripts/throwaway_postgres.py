"""A PostgreSQL server for one test run: its own directory, a free port on loopback, a random password, no fsync.

Nothing of a PostgreSQL that is already on the machine is touched. `python -m scripts.throwaway_postgres` starts one and
prints its address until Ctrl+C.
"""

import contextlib
import locale
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from scripts.system_packages import find

START_WITHIN = 60  # seconds
STOP_WITHIN = 20  # seconds
LETTERS = "C.UTF-8"
# Speed instead of durability; enough connections for parallel workers with threads of their own.
OPTIONS = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "jit=off"]


class RunAs(TypedDict, total=False):
    """Arguments for subprocess: the user and the group that a program runs as."""

    user: str
    group: str


class PostgresFailedError(Exception):
    """Says that PostgreSQL could not be started. The message holds PostgreSQL's own output."""


@contextlib.contextmanager
def throwaway_postgres() -> Iterator[str]:
    """Run a server and give its address without the name of a database; stop and delete it afterwards.

    Raises PostgresFailedError.
    """
    initdb = find("postgresql")
    if initdb is None:
        raise PostgresFailedError("initdb was not found. Package: postgresql")
    directory = Path(tempfile.mkdtemp(prefix="sessionadmin-pg-"))
    server: subprocess.Popen[bytes] | None = None
    try:
        password = secrets.token_urlsafe(24)
        port = free_port()
        initialise(initdb, directory, password)
        with (directory / "log").open("wb") as log:
            server = subprocess.Popen(
                server_command(initdb, directory, port),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl+C must stop the tests first and their database after them
                **as_postgres(),
            )
        wait_until_ready(server, port, directory)
        yield f"postgresql://postgres:{password}@127.0.0.1:{port}"
    finally:
        if server is not None:
            stop(server)
        shutil.rmtree(directory)


def as_postgres() -> RunAs:
    """Return arguments for subprocess with which root runs a program as the user postgres.

    PostgreSQL refuses to run as root.
    """
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


def free_port() -> int:
    """Return a TCP port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def initialise(initdb: Path, directory: Path, password: str) -> None:
    """Make the empty cluster below `directory`. Raises PostgresFailedError."""
    password_file = directory / "password"
    password_file.write_text(password)
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        for path in (directory, password_file):
            os.chown(path, account.pw_uid, account.pw_gid)
    command = [str(initdb), "--pgdata", str(directory / "data"), "--username", "postgres", "--auth", "scram-sha-256"]
    command += ["--pwfile", str(password_file), "--encoding", "UTF8", "--locale", "C", "--no-sync"]
    with contextlib.suppress(locale.Error):  # so that PostgreSQL knows the case of letters beyond ASCII
        locale.setlocale(locale.LC_CTYPE, LETTERS)
        command += ["--lc-ctype", LETTERS]
    result = subprocess.run(command, cwd="/", check=False, capture_output=True, text=True, **as_postgres())
    if result.returncode != 0:
        raise PostgresFailedError(f"initdb failed:\n{result.stdout}{result.stderr}")


def server_command(initdb: Path, directory: Path, port: int) -> list[str]:
    """Return the command that starts the server.

    Its Unix socket is in a directory that only the server may enter.
    """
    command = [str(initdb.with_name("postgres")), "-D", str(directory / "data"), "-p", str(port), "-h", "127.0.0.1"]
    command += ["-k", str(directory)]
    for option in OPTIONS:
        command += ["-c", option]
    return command


def wait_until_ready(server: "subprocess.Popen[bytes]", port: int, directory: Path) -> None:
    """Return when the server accepts connections. Raises PostgresFailedError with the server's log."""
    deadline = time.monotonic() + START_WITHIN
    status = directory / "data" / "postmaster.pid"
    while time.monotonic() < deadline and server.poll() is None:
        # The eighth line says what the server thinks of itself (PostgreSQL manual, "postmaster.pid").
        lines = status.read_text().splitlines() if status.exists() else []
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return
        time.sleep(0.05)
    raise PostgresFailedError(f"PostgreSQL did not start on port {port}:\n{(directory / 'log').read_text()}")


def stop(server: "subprocess.Popen[bytes]") -> None:
    """End the server at once, without waiting for its clients."""
    if server.poll() is not None:
        return
    server.send_signal(signal.SIGINT)  # "fast shutdown"
    try:
        server.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)  # "immediate shutdown": takes its own children with it
        server.wait()


if __name__ == "__main__":
    with throwaway_postgres() as address:
        print(address, flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("stopping")
