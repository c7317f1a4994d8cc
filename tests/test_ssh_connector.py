"""Rights on a real host: given, used with an ordinary client, frozen, cut, taken away. Starts a real sshd."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from activity.models import LogEntry
from sessions_app.connectors.ssh import credentials, logon
from sessions_app.flows.end import end
from sessions_app.flows.lock import lock
from sessions_app.flows.terminate import terminate
from sessions_app.flows.unlock import unlock
from sessions_app.models import PrivilegedSession, Resource, Status, UserKey
from sessions_app.ssh import ca
from sessions_app.worker import reconcile
from tests import builders, sshd
from tests.programs import wait_until
from tests.scene import ask

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]

RULE = "ALL=(ALL) NOPASSWD: ALL"


@pytest.fixture
def server(tmp_path: Path, db: None) -> Iterator[sshd.Server]:
    sshd.clean()
    credentials.forget()
    authority = ca.create()
    with sshd.serving(tmp_path / "sshd", trusted_authority=authority.public_key) as running:
        yield running
    sshd.clean()


@pytest.fixture
def key(tmp_path: Path, alice: User) -> Path:
    path = tmp_path / "id_alice"
    UserKey.objects.create(user=alice, title="laptop", public_key=sshd.make_key(path), kind="Ed25519", fingerprint="x")
    return path


def make_host(server: sshd.Server, name: str = "web-1", **values: Any) -> Resource:
    defaults = {"address": "127.0.0.1", "connector": "ssh", "service_account": "root", "host_key": server.host_key}
    return builders.make_resource(name, port=server.port, **(defaults | values))


def prepare(server: sshd.Server, user: User, **activity: Any) -> None:
    defaults = {"login_account_template": "satest-{session}", "sudo_rule": RULE}
    make_host(server)
    builders.make_activity(**(defaults | activity))
    builders.make_policy(users=[user])


def worked(session: PrivilegedSession) -> PrivilegedSession:
    """After one pass of the worker, as if the interval were over."""
    logon._looks.clear()
    PrivilegedSession.objects.filter(pk=session.pk).update(next_monitor_at=None, next_attempt_at=None)
    reconcile()
    session.refresh_from_db()
    return session


def given(user: User) -> PrivilegedSession:
    session = worked(ask(user))
    said = list(LogEntry.objects.of_target(session).values_list("message", flat=True))
    assert session.status == Status.AVAILABLE, said
    return session


def test_an_ephemeral_account_is_made_used_and_removed(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    session = given(alice)
    account = f"satest-{session.pk}"
    assert session.login_account == account
    done = server.ssh(account, key, "id -un; sudo -n id -u")
    assert done.stdout.split() == [account, "0"], done.stderr
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert sshd.leftovers() == []
    assert server.ssh(account, key, "true").returncode == 255


def test_what_the_user_left_running_ends_too(server: sshd.Server, alice: User, key: Path) -> None:
    prepare(server, alice)
    session = given(alice)
    account = session.login_account
    left = "setsid nohup sleep 4711 >/dev/null 2>&1 & sudo -n setsid nohup sleep 4712 >/dev/null 2>&1 & sleep 0.5"
    assert server.ssh(account, key, left).returncode == 0
    running = subprocess.run(["pgrep", "-f", "^sleep 471[12]"], capture_output=True, text=True, check=False).stdout
    assert len(running.split()) == 2
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert subprocess.run(["pgrep", "-f", "^sleep 471[12]"], check=False).returncode == 1
    assert sshd.leftovers() == []


@contextlib.contextmanager
def terminal(server: sshd.Server, session: PrivilegedSession, key: Path, typed: bytes) -> Iterator[Terminal]:
    """An ordinary client with a terminal, in which something was typed."""
    line = server.client(session.login_account, key, tty=True)
    client = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        shown = Terminal(client)
        shown.type(typed)
        wait_until(lambda: bool(sshd.processes_of(session.login_account)), "the user is in")
        yield shown
    finally:
        client.kill()
        client.wait(10)


class Terminal:
    """What stands on a client's terminal; read in a thread of its own."""

    def __init__(self, client: subprocess.Popen[bytes]) -> None:
        self.client = client
        self.text = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.client.stdout is not None
        while data := os.read(self.client.stdout.fileno(), 4096):
            self.text += data

    def type(self, keys: bytes) -> None:
        assert self.client.stdin is not None
        self.client.stdin.write(keys)
        self.client.stdin.flush()


def test_logged_in_is_seen_a_lock_freezes_and_unlock_frees(
    server: sshd.Server, alice: User, admin: User, key: Path
) -> None:
    prepare(server, alice)
    session = given(alice)
    with terminal(server, session, key, b"echo first-$((1+1))\n") as shown:
        wait_until(lambda: b"first-2" in shown.text, "the shell answers")
        assert worked(session).status == Status.LOGGED_IN
        lock(admin, session, title="Stand back\x1b[2J", message="Ask the desk")
        assert worked(session).controls.get().state == "enforced"
        wait_until(lambda: b"Ask the desk" in shown.text, "the message is on the terminal")
        assert b"Stand back" in shown.text
        assert b"\x1b[2J" not in shown.text
        assert {line[0] for line in sshd.processes_of(session.login_account)} == {"T"}
        shown.type(b"echo second-$((1+1))\n")
        time.sleep(0.7)
        assert b"second-2" not in shown.text
        assert server.ssh(session.login_account, key, "true").returncode == 255
        session.refresh_from_db()
        unlock(admin, session)
        worked(session)
        wait_until(lambda: b"second-2" in shown.text, "the shell goes on")
        assert server.ssh(session.login_account, key, "true").returncode == 0
        terminate(admin, session)
        assert worked(session).status == Status.CANCELED
        wait_until(lambda: shown.client.poll() is not None, "the client is thrown out")
    assert sshd.leftovers() == []
