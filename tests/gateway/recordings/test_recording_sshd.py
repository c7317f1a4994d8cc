"""From a real terminal to the replay: OpenSSH's client through a real gateway to a real host, recorded on the way; and
what is left of it when the gateway is killed."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from sessions_app.gateway.models import ConnectionEnd, GatewayConnection
from sessions_app.gateway.recordings.maintenance import RecordingMaintenance
from sessions_app.gateway.recordings.models import Recording
from sessions_app.gateway.recordings.storage import storage
from sessions_app.privileged.models import PrivilegedSession
from tests.support import gateway, sshd
from tests.support.gateway import Gateway
from tests.support.ssh_scene import given, prepare
from tests.support.waiting import seconds, wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]
SECRET = "typed-in-the-dark"


@pytest.fixture
def session(server: sshd.Server, alice: User, key: Path) -> PrivilegedSession:
    prepare(server, alice)
    session = given(alice)
    session.profile.record_input = True
    session.profile.save(update_fields=["record_input"])
    return session


@pytest.fixture
def through(session: PrivilegedSession, tmp_path: Path) -> Iterator[Gateway]:
    with gateway.serving(tmp_path / "gateway") as running:
        yield running


def terminal(through: Gateway, key: Path) -> subprocess.Popen[bytes]:
    """Start a shell with a terminal, in which the test can type."""
    command = through.client("alice=web-1", key, more=["-tt"])
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def type_line(running: subprocess.Popen[bytes], line: str) -> None:
    assert running.stdin is not None
    running.stdin.write(line.encode() + b"\n")
    running.stdin.flush()


def recorded() -> str:
    """Return the part of the newest recording that has reached the database, as text."""
    found = Recording.objects.order_by("pk").last()
    return b"".join(bytes(row.data) for row in found.chunks.order_by("number")).decode() if found else ""


def keep() -> int:
    return RecordingMaintenance(threading.Event()).close_those_over()


def test_what_was_on_the_terminal_is_replayed_and_found(
    session: PrivilegedSession, through: Gateway, key: Path, alice: User
) -> None:
    running = terminal(through, key)
    type_line(running, "echo nee''dle; read -s hidden")
    wait_until(lambda: "needle" in recorded(), "the output is in the database while the shell runs")
    type_line(running, SECRET)
    type_line(running, "exit")
    shown, _ = running.communicate(timeout=seconds(30))
    assert shown.count(b"What you type here is recorded, passwords too.") == 1
    wait_until(lambda: GatewayConnection.objects.open().count() == 0, "the end of the connection is noted")
    wait_until(lambda: keep() > 0 or Recording.objects.get().ended_at is not None, "the recording is closed")
    recording = Recording.objects.get()
    assert recording.is_complete
    assert recording.lines.filter(text="needle").exists()
    with storage().open(recording.path) as file:
        whole = file.read()
    assert json.loads(whole.splitlines()[0])["version"] == 2
    assert SECRET.encode() not in whole  # the host did not echo it
    with storage().open(recording.input_path) as file:
        assert SECRET.encode() not in file.read()


def test_of_a_gateway_that_is_killed_less_than_a_second_is_lost(
    session: PrivilegedSession, through: Gateway, key: Path
) -> None:
    running = terminal(through, key)
    type_line(running, "while :; do date +%s%N; sleep 0.1; done")
    wait_until(lambda: recorded().count('"o"') > 20, "some of it is in the database")
    killed_at = time.time()
    through.process.kill()
    through.process.wait(10)
    running.kill()
    running.wait(10)
    last = int([event for event in _shown(recorded()).split() if event.isdecimal() and len(event) == 19][-1])
    assert killed_at - last / 1e9 < 1.0
    GatewayConnection.objects.update(ended_at=session.start_at, end_reason=ConnectionEnd.LOST)  # as the reaper does
    assert keep() == 1
    recording = Recording.objects.get()
    assert not recording.is_complete
    assert str(last) in {line.text for line in recording.lines.all()}


def _shown(lines: str) -> str:
    events = [json.loads(line) for line in lines.splitlines()]
    return "".join(event[2] for event in events if isinstance(event, list) and event[1] == "o")
