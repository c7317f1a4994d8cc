"""Beside a direct connection: OpenSSH's client sees through the gateway what it sees without one, byte for byte.
Starts a real sshd and a real `run_gateway`."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from sessions_app.gateway.recordings.models import Recording
from sessions_app.privileged.models import PrivilegedSession
from tests.support import gateway, sshd
from tests.support.gateway import Gateway
from tests.support.ssh_scene import given, prepare
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]

SECONDS = 30
Way = Callable[..., list[str]]  # the command line of a client for a command; `tty`: with a terminal


@pytest.fixture
def session(server: sshd.Server, alice: User, key: Path) -> PrivilegedSession:
    prepare(server, alice)
    return given(alice)


@pytest.fixture
def routes(
    server: sshd.Server, session: PrivilegedSession, key: Path, tmp_path: Path
) -> Iterator[tuple[Gateway, dict[str, Way]]]:
    """Yield the gateway, and functions that return the client's command line: by the gateway and directly."""
    with gateway.serving(tmp_path / "gateway") as through:

        def by_gateway(*command: bytes | str, tty: bool = False) -> list[str]:
            words = [os.fsdecode(word) for word in command]
            return through.client("alice=web-1", key, *words, more=["-tt"] if tty else [])

        def directly(*command: bytes | str, tty: bool = False) -> list[str]:
            words = [os.fsdecode(word) for word in command]
            return server.client(session.login_account, key, *words, tty=tty)

        yield through, {"directly": directly, "through the gateway": by_gateway}


def test_what_a_client_sees_is_what_it_sees_without_a_gateway(
    routes: tuple[Gateway, dict[str, Way]], tmp_path: Path
) -> None:
    for name, way in routes[1].items():
        reader_that_leaves(name, way)
        output_that_ends_before_the_program(name, way)
        input_that_nobody_reads(name, way)
        bytes_that_are_no_text(name, way)
        windows_of_every_size(name, way)
        a_signal_after_the_end_of_the_input(name, way)
        a_command_that_the_host_does_not_take(name, way)
        exit_statuses_over_a_shared_connection(name, way, tmp_path / f"shared-{len(name)}")
    recorded = Recording.objects.exclude(title="").values_list("title", flat=True)
    assert "printf %s \ufffd" in recorded
    assert "Traceback" not in routes[0].printed()


def reader_that_leaves(name: str, way: Way) -> None:
    """`ssh host yes | head -1`."""
    client = subprocess.Popen(way("yes; exit 2"), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert client.stdout is not None
    assert client.stdout.read(2) == b"y\n"
    client.stdout.close()
    assert client.wait(SECONDS) == 2, name


def output_that_ends_before_the_program(name: str, way: Way) -> None:
    """The end of the output arrives at once, although the program then waits for its input."""
    client = started(way("echo hi; exec 1>&- 2>&-; read done; exit 3"))
    assert client.stdout is not None
    assert client.stdin is not None
    assert client.stdout.read() == b"hi\n", name
    assert client.poll() is None, name
    client.stdin.write(b"done\n")
    client.stdin.flush()
    assert client.wait(SECONDS) == 3, name


def input_that_nobody_reads(name: str, way: Way) -> None:
    """The client stops reading its input, so that whoever writes it gets a broken pipe."""
    sending = ["head", "-c", "20000000", "/dev/zero"]
    sender = subprocess.Popen(sending, stdout=subprocess.PIPE)
    line = way("exec 0<&- 1>&-; sleep 2; exit 7")
    client = subprocess.Popen(line, stdin=sender.stdout, stdout=subprocess.DEVNULL)
    assert sender.stdout is not None
    sender.stdout.close()
    assert client.wait(SECONDS) == 7, name
    assert sender.wait(SECONDS) == -signal.SIGPIPE, name


def bytes_that_are_no_text(name: str, way: Way) -> None:
    """A command can hold bytes that are not UTF-8, and so can the names in it."""
    done = subprocess.run(way(b"printf %s \xe9"), capture_output=True, timeout=SECONDS, check=False)
    assert (done.stdout, done.returncode) == (b"\xe9", 0), (name, done.stderr)
    line = b"printf %s " + b"x" * 100_000
    done = subprocess.run(way(line), capture_output=True, timeout=SECONDS, check=False)
    assert (len(done.stdout), done.returncode) == (100_000, 0), (name, done.stderr)
    line = b"echo found > lat-\xe9.txt; cat lat-\xe9.txt; rm lat-\xe9.txt; exit 4"
    done = subprocess.run(way(line), capture_output=True, timeout=SECONDS, check=False)
    assert (done.stdout, done.returncode) == (b"found\n", 4), (name, done.stderr)


def a_command_that_the_host_does_not_take(name: str, way: Way) -> None:
    """OpenSSH's server drops a connection with a longer packet; the gateway says in words what its client ends with."""
    for pieces in (3, 11):
        words = [":", *["x" * 100_000] * pieces, "; echo done"]
        done = subprocess.run(way(*words), capture_output=True, timeout=SECONDS, check=False)
        assert (done.stdout, done.returncode) == (b"", 255), (name, done.stderr)
        if name != "directly":
            taker = b"OpenSSH on web-1 takes 261888" if pieces == 3 else b"the gateway takes 1048576"
            length = len(" ".join(words))
            assert b"This command has %d bytes, and %s at most. Nothing was run." % (length, taker) in done.stderr


def windows_of_every_size(name: str, way: Way) -> None:
    """A window can have any size or none, from the beginning and after a change."""
    for rows, cols in ((0, 0), (24, 0), (0, 80), (31, 97), (2000, 3000)):
        line = f"stty cols {cols} rows {rows}; {' '.join(way(tty=True))} 'stty size; exit 5'"
        done = subprocess.run(
            ["script", "-qec", line, "/dev/null"],
            capture_output=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert f"{rows} {cols}\r\n".encode() in done.stdout, (name, done.stdout)
        assert done.returncode == 5, name


def a_signal_after_the_end_of_the_input(name: str, way: Way) -> None:
    """After the end of the input, a change of the window's size still reaches the program."""
    inner = "trap 'stty size; exit 6' WINCH; echo ready; while :; do sleep 0.05; done"
    primary, secondary = os.openpty()
    subprocess.run(["stty", "cols", "80", "rows", "24"], stdin=secondary, check=True)
    client = subprocess.Popen(way(inner, tty=True), stdin=secondary, stdout=subprocess.PIPE)
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\r\n", name
        subprocess.run(["stty", "cols", "0", "rows", "0"], stdin=secondary, check=True)
        client.send_signal(signal.SIGWINCH)
        assert client.stdout.readline() == b"0 0\r\n", name
        assert client.wait(SECONDS) == 6, name
    finally:
        client.kill()
        client.wait(SECONDS)
        os.close(primary)
        os.close(secondary)


def exit_statuses_over_a_shared_connection(name: str, way: Way, path: Path) -> None:
    """OpenSSH's client closes a channel of a connection that is shared (ControlMaster) at the end of the output, and
    waits for the exit status still."""

    def shared(*command: str, tty: bool = False) -> list[str]:
        program, *rest = way(*command, tty=tty)
        return [program, "-S", str(path), *rest]

    program, *rest = shared()
    master = subprocess.Popen([program, "-M", "-N", *rest], stdin=subprocess.DEVNULL)
    try:
        wait_until(path.exists, "the shared connection is there")
        several = ["exit 9", "echo a; sleep 0.2; exit 9"] * 3
        clients = [subprocess.Popen(shared(line), stdin=subprocess.DEVNULL) for line in several]
        clients.append(subprocess.Popen(shared("exit 9", tty=True), stdin=subprocess.DEVNULL))
        assert [client.wait(SECONDS) for client in clients] == [9] * len(clients), name
        late = subprocess.Popen(shared("exec 1>&- 2>&-; sleep 1; exit 3"), stdin=subprocess.DEVNULL)
        leaving = subprocess.Popen(shared("yes; exit 2"), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert leaving.stdout is not None
        assert leaving.stdout.read(2) == b"y\n"
        leaving.stdout.close()
        assert leaving.wait(SECONDS) == 2, name
        assert late.wait(SECONDS) == 3, name
        assert master.poll() is None, name
    finally:
        master.kill()
        master.wait(SECONDS)


def started(line: list[str], stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=stdout)
