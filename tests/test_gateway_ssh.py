"""Through the gateway with OpenSSH's own clients to a real host. Starts a real sshd and a real gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.models import (
    ConnectionEnd,
    GatewayConnection,
    PrivilegedSession,
    Status,
    UserKey,
)
from tests import builders, gateway, sshd
from tests.gateway import Gateway
from tests.programs import wait_until
from tests.ssh_scene import given, host_server, prepare, register_key, said

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def server(tmp_path: Path, transactional_db: None) -> Iterator[sshd.Server]:
    with host_server(tmp_path) as running:
        yield running


@pytest.fixture
def alice(transactional_db: None) -> User:
    return builders.make_user("alice")


@pytest.fixture
def key(tmp_path: Path, alice: User) -> Path:
    return register_key(alice, tmp_path / "id_alice")


@pytest.fixture
def session(server: sshd.Server, alice: User, key: Path) -> PrivilegedSession:
    prepare(server, alice)
    return given(alice)


@pytest.fixture
def through(session: PrivilegedSession, tmp_path: Path) -> Iterator[Gateway]:
    with gateway.serving(tmp_path / "gateway") as running:
        yield running


def test_a_command_runs_on_the_host_with_its_output_errors_and_exit_status(
    session: PrivilegedSession, through: Gateway, key: Path, alice: User
) -> None:
    done = through.ssh("alice=web-1", key, "id -un; cat; echo no >&2; exit 7", given=b"typed")
    assert (done.stdout, done.stderr, done.returncode) == (b"%s\ntyped" % session.login_account.encode(), b"no\n", 7)
    connection = GatewayConnection.objects.get()
    wait_until(lambda: GatewayConnection.objects.open().count() == 0, "the end of the connection is noted")
    connection.refresh_from_db()
    assert (connection.end_reason, connection.bytes_in) == (ConnectionEnd.HOST, len(b"typed"))
    assert connection.fingerprint == UserKey.objects.get().fingerprint
    session.refresh_from_db()
    assert session.status == Status.LOGGED_IN
    logged = " ".join(said(session))
    assert "alice connected to web-1 through the gateway (SSH client, key SHA256:" in logged
    assert "The connection of alice to web-1 is over: Closed by the host" in logged
    assert UserKey.objects.get().last_used_at is not None
    opened = LogEntry.objects.get(verb=Verb.CONNECTION_OPENED)
    assert opened.ip == "127.0.0.1"
    assert re.match(r"SSH-2.0-OpenSSH", opened.details["client"])
