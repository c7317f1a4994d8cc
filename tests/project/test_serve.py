"""`sessionadmin serve`: what it starts, keeps alive, and takes with it when it ends, however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections

from sessions_app.management.commands import serve
from sessions_app.management.companions import Companion
from tests.support import migrated, programs
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def console(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a console with an empty migrated SQLite database."""
    migrated.copy_to(tmp_path / "var")
    return environment_of(tmp_path / "var")


def environment_of(var: Path) -> dict[str, str]:
    return programs.clean_environment(DJANGO_SETTINGS_MODULE="sessionadmin.settings.development", VAR_DIR=str(var))


def command(port: int, *more: str) -> list[str]:
    return [*programs.MANAGE, "serve", "--port", str(port), *more]


def worker_of(running: programs.Running) -> int | None:
    """Return the number of the worker's process, or None."""
    found = [pid for pid, line in programs.descendants(running.process.pid).items() if line.endswith(" run_worker")]
    return found[0] if found else None


def wait_for_worker(running: programs.Running, other_than: int | None = None) -> int:
    wait_until(lambda: worker_of(running) not in (None, other_than), "a worker runs")
    worker = worker_of(running)
    assert worker is not None
    return worker


@pytest.mark.django_db
def test_a_web_process_that_cannot_be_started_is_told_with_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(companion: Companion) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(Companion, "start", fail)
    monkeypatch.setattr(serve, "lifetime", contextlib.nullcontext)
    monkeypatch.setattr(connections, "close_all", lambda: None)  # of this test
    with pytest.raises(OSError, match="no more processes"):
        call_command("serve", port=programs.free_port())


def ctrl_c(process: subprocess.Popen[bytes]) -> None:
    """Send SIGINT to the whole process group, as a terminal does for Ctrl+C."""
    os.killpg(process.pid, signal.SIGINT)


def terminate(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, as systemd and container engines do."""
    process.terminate()


def lifetimes(environment: dict[str, str]) -> list[tuple[str, str]]:
    """Return the entries of starts and stops, the oldest first, as the end of their verb and what process it was."""
    with contextlib.closing(sqlite3.connect(Path(environment["VAR_DIR"]) / "sessionadmin.sqlite3")) as database:
        rows = database.execute(
            "SELECT verb, details FROM activity_logentry WHERE verb LIKE 'process.%' ORDER BY id"
        ).fetchall()
    found = [(verb.removeprefix("process."), json.loads(details)) for verb, details in rows]
    assert all(details["version"] and details["process"] for _, details in found)
    return [(did, details["what"]) for did, details in found]


@pytest.mark.parametrize("end", [ctrl_c, terminate])
def test_it_stops_everything_it_started_and_frees_the_port(
    console: dict[str, str], tmp_path: Path, end: Callable[[subprocess.Popen[bytes]], None]
) -> None:
    port = programs.free_port()
    with programs.serving(command(port, "--with-worker"), console, port, tmp_path / "out") as running:
        assert running.get("/healthz") == (200, "ok")
        wait_for_worker(running)
        wait_until(lambda: "Serving on" in running.printed(), "it says that it serves")
        started = programs.descendants(running.process.pid)
        end(running.process)
        assert running.process.wait(PATIENCE) == 0, running.printed()
        assert "Killing" not in running.printed()  # nothing had to be forced
    # Python's resource tracker notices by itself, a moment later.
    wait_until(lambda: programs.still_alive(list(started)) == [], "all processes are gone")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
    found = lifetimes(console)
    assert found[0] == ("started", "console")
    assert sorted(found) == sorted((did, what) for did in ("started", "stopped") for what in ("console", "worker"))
    assert found[-1] == ("stopped", "console")


def test_a_server_that_is_killed_outright_leaves_nothing_behind(console: dict[str, str], tmp_path: Path) -> None:
    port = programs.free_port()
    with programs.serving(command(port, "--with-worker"), console, port, tmp_path / "out") as running:
        wait_for_worker(running)
        started = list(programs.descendants(running.process.pid))
        assert len(started) >= 2  # the web process and the worker
        running.process.kill()
        wait_until(lambda: programs.still_alive(started) == [], "all processes are gone")
    found = lifetimes(console)
    assert ("started", "console") in found
    assert ("stopped", "console") not in found


def test_a_worker_that_dies_is_said_and_started_again(console: dict[str, str], tmp_path: Path) -> None:
    port = programs.free_port()
    with programs.serving(command(port, "--with-worker"), console, port, tmp_path / "out") as running:
        first = wait_for_worker(running)
        wait_until(lambda: ("started", "worker") in lifetimes(console), "its start is in the log")
        os.kill(first, signal.SIGKILL)
        wait_for_worker(running, other_than=first)
        assert "run_worker ended unexpectedly (signal 9)" in running.printed()
        assert running.get("/healthz") == (200, "ok")
        wait_until(lambda: lifetimes(console).count(("started", "worker")) == 2, "the start of the next one too")
        assert ("stopped", "worker") not in lifetimes(console)


def web_process_of(running: programs.Running) -> int | None:
    """Return the number of the only web process, or None."""
    found = [pid for pid, line in programs.descendants(running.process.pid).items() if ".web_process " in line]
    return found[0] if found else None


def kill_web_process(running: programs.Running, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: web_process_of(running) != pid, "it is dead")


def test_worker_and_gateway_outlive_every_death_of_the_web_process(console: dict[str, str], tmp_path: Path) -> None:
    port, ssh, terminals = (programs.free_port() for _ in range(3))
    environment = console | {"GATEWAY_PORT": str(ssh), "GATEWAY_TERMINAL_PORT": str(terminals)}
    beside = ["--with-worker", "--with-gateway"]
    with programs.serving(command(port, *beside), environment, port, tmp_path / "out") as running:
        worker = wait_for_worker(running)
        wait_until(lambda: f"Gateway on port {ssh} for SSH" in running.printed(), "the gateway listens")
        wait_until(lambda: "Serving on" in running.printed(), "pages are served")
        for _ in range(2):  # each as soon as there is one
            wait_until(lambda: web_process_of(running) is not None, "a web process runs")
            web = web_process_of(running)
            assert web is not None
            kill_web_process(running, web)
        assert running.printed().count("Web process 1 ended unexpectedly (signal 9)") >= 1
        # Clients wait meanwhile, and are not refused.
        wait_until(lambda: answered(running), "pages are served again")
        assert worker_of(running) == worker
        with socket.create_connection(("127.0.0.1", ssh)) as client:
            assert b"SessionAdmin" in client.recv(100)
        assert "run_worker ended" not in running.printed()
        assert "run_gateway ended" not in running.printed()


def answered(running: programs.Running) -> bool:
    """Return whether /healthz answers."""
    with contextlib.suppress(OSError):
        return running.get("/healthz") == (200, "ok")
    return False


def test_a_hangup_renews_the_web_process_and_refuses_nobody(console: dict[str, str], tmp_path: Path) -> None:
    port = programs.free_port()
    with programs.serving(command(port), console, port, tmp_path / "out") as running:
        wait_until(lambda: "Serving on" in running.printed(), "pages are served")
        before = web_process_of(running)
        running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: web_process_of(running) not in (None, before), "there is another one")
        assert running.get("/healthz") == (200, "ok")
        assert "unexpectedly" not in running.printed()


def test_a_port_in_use_is_refused_with_what_to_do_and_without_being_asked_no_worker_starts(
    console: dict[str, str], tmp_path: Path
) -> None:
    port = programs.free_port()
    with programs.serving(command(port), console, port, tmp_path / "out") as running:
        wait_until(lambda: "Serving on" in running.printed(), "everything has been started")
        assert worker_of(running) is None
        second = programs.run(command(port), console)
        assert second.returncode == 1
        assert f"Cannot listen on 127.0.0.1 port {port}" in second.stderr
        assert f"PORT={port + 1}" in second.stderr
        assert "Traceback" not in second.stderr
        assert running.get("/healthz") == (200, "ok")


def test_a_gateway_runs_beside_it_and_stops_with_it(console: dict[str, str], tmp_path: Path) -> None:
    port, ssh, terminals = (programs.free_port() for _ in range(3))
    environment = console | {"GATEWAY_PORT": str(ssh), "GATEWAY_TERMINAL_PORT": str(terminals)}
    with programs.serving(command(port, "--with-gateway"), environment, port, tmp_path / "out") as running:
        wait_until(lambda: f"Gateway on port {ssh} for SSH" in running.printed(), "the gateway listens")
        with socket.create_connection(("127.0.0.1", ssh)) as client:
            assert client.recv(100).startswith(b"SSH-2.0-OpenSSH_compatible_SessionAdmin")
        again = programs.run(command(programs.free_port(), "--with-gateway"), environment)
        assert f"No gateway was started: port {ssh} is in use" in again.stderr
        terminate(running.process)
        assert running.process.wait(PATIENCE) == 0, running.printed()
    found = lifetimes(console)
    assert found.count(("started", "gateway")) == found.count(("stopped", "gateway")) == 1
