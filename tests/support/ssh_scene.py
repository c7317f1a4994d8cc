"""Short ways into a session on a real host: a server that trusts our authority, a user with a key, one pass."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from activity.models import LogEntry
from sessions_app.catalogue.models import Resource
from sessions_app.hosts.connectors.ssh import credentials, transport
from sessions_app.hosts.models import HostWatch, UserKey
from sessions_app.hosts.ssh import ca
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders, sshd
from tests.support.scene import ask
from tests.support.waiting import wait_until

RULE = "ALL=(ALL) NOPASSWD: ALL"


@contextlib.contextmanager
def host_server(tmp_path: Path, *, by_name: bool = False, pam: bool = False) -> Iterator[sshd.Server]:
    """Run an sshd that trusts a new certificate authority of the console. The machine is cleaned before and after."""
    with sshd.alone():
        forget()
        authority = ca.create().public_key
        with sshd.serving(tmp_path / "sshd", trusted_authority=authority, by_name=by_name, pam=pam) as running:
            yield running


@pytest.fixture
def server(tmp_path: Path, db: None) -> Iterator[sshd.Server]:
    """Run an sshd that trusts the console's authority. conftest.py offers this fixture to every test."""
    with host_server(tmp_path) as running:
        yield running


@pytest.fixture
def key(tmp_path: Path, alice: User) -> Path:
    """Return the path of alice's private key, whose public half is registered. conftest.py offers it to every test."""
    return register_key(alice, tmp_path / "id_alice")


def forget() -> None:
    """Clear what the connector keeps in memory, as in a new process."""
    credentials.forget()
    transport.TURNS._silent.clear()


def register_key(user: User, path: Path) -> Path:
    """Create and register a key pair of the user. Return the path of the private key."""
    line = sshd.make_key(path)
    fingerprint = sshd.fingerprint(path.with_suffix(".pub"))
    UserKey.objects.create(user=user, title="laptop", public_key=line, kind="Ed25519", fingerprint=fingerprint)
    return path


def make_host(server: sshd.Server, name: str = "web-1", **values: Any) -> Resource:
    """Create the resource for the server, with its host key pinned."""
    defaults = {
        "address": "127.0.0.1",
        "port": server.port,
        "connector": "ssh",
        "service_account": "root",
        "host_key": server.host_key,
    }
    return builders.make_resource(name, **(defaults | values))


def prepare(server: sshd.Server, user: User, **activity: Any) -> Resource:
    """Let the user request “Patch Linux” on web-1, by default with an ephemeral account and sudo. Return web-1."""
    defaults = {"login_account_template": "satest-{session}", "sudo_rule": RULE}
    resource = make_host(server)
    builders.make_activity(**(defaults | activity))
    builders.make_policy(users=[user])
    return resource


def worked(session: PrivilegedSession) -> PrivilegedSession:
    """Run one pass of the worker, as if the interval were over, and return the session after it."""
    HostWatch.objects.update(began_at=None, ended_at=None)
    PrivilegedSession.objects.filter(pk=session.pk).update(next_monitor_at=None, next_attempt_at=None)
    reconcile()
    session.refresh_from_db()
    return session


def given(user: User) -> PrivilegedSession:
    """Return a session that the worker made available on the host."""
    session = worked(ask(user))
    assert session.status == Status.AVAILABLE, said(session)
    return session


def given_with_key(server: sshd.Server, person: User, directory: Path) -> PrivilegedSession:
    """Return a session that is Available on the host, made for a person whose key lies in the directory."""
    prepare(server, person)
    register_key(person, directory / f"id_{person.username}")
    return given(person)


def said(session: PrivilegedSession) -> list[str]:
    """Return the messages of the session's log, oldest first."""
    return list(LogEntry.objects.of_target(session).order_by("pk").values_list("message", flat=True))


def database_url(config: Mapping[str, Any]) -> str:
    """Return the address of the test database for another process."""
    if config["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{config['NAME']}"
    password = f":{config['PASSWORD']}" if config["PASSWORD"] else ""
    return f"postgresql://{config['USER']}{password}@{config['HOST']}:{config['PORT']}/{config['NAME']}"


@contextlib.contextmanager
def terminal(server: sshd.Server, session: PrivilegedSession, key: Path, typed: bytes) -> Iterator[Terminal]:
    """Run an ordinary client with a terminal, and type something in it."""
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
