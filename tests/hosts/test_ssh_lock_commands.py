"""A lock keeps people from logging in to an account that commands opened, and gives it back as it was."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from sessions_app.catalogue.models import AccountKind, Resource
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, sshd
from tests.support.scene import ask
from tests.support.ssh_scene import given, prepare, said, worked

pytestmark = [pytest.mark.sshd, pytest.mark.django_db]

ACCOUNT = "satest-deploy"


@pytest.fixture
def key(server: sshd.Server, tmp_path: Path) -> Path:
    """Return the key of an account that exists on the host before any session."""
    subprocess.run(["useradd", "-m", "-s", "/bin/sh", "-p", "*", ACCOUNT], check=True)
    line = sshd.make_key(tmp_path / "id_deploy")
    keys = Path(f"/home/{ACCOUNT}/.ssh/authorized_keys")
    keys.parent.mkdir()
    keys.write_text(f"{line}\n")
    return tmp_path / "id_deploy"


def expiry() -> str:
    return subprocess.run(["getent", "shadow", ACCOUNT], capture_output=True, text=True, check=True).stdout.split(":")[
        7
    ]


def set_expiry(day: str) -> None:
    subprocess.run(["chage", "--expiredate", day, ACCOUNT], check=True)


@contextlib.contextmanager
def logged_in(server: sshd.Server, key: Path) -> Iterator[subprocess.Popen[bytes]]:
    client = subprocess.Popen(server.client(ACCOUNT, key, "echo in; sleep 60"), stdout=subprocess.PIPE)
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == b"in\n"
        yield client
    finally:
        client.kill()
        client.wait(10)


def prepared(server: sshd.Server, *users: User, **activity: str) -> None:
    """Let the users request commands that open the account."""
    resource = prepare(
        server,
        users[0],
        kind=AccountKind.COMMANDS,
        login_account_template=ACCOUNT,
        grant_actions="/bin/true",
        **({"remove_actions": "/bin/true"} | activity),
    )
    builders.make_policy("The others", users=list(users[1:]), resources=[resource])


def enforced(session: PrivilegedSession) -> None:
    assert worked(session).controls.latest("pk").state == "enforced", said(session)


@pytest.mark.parametrize("before", ["", "20999", "0"])
def test_nobody_logs_in_while_it_is_locked_and_its_expiry_is_as_before_after_that(
    server: sshd.Server, alice: User, admin: User, key: Path, before: str
) -> None:
    prepared(server, alice)
    session = given(alice)
    with logged_in(server, key) as client:
        set_expiry(before or "-1")
        lock(admin, session, title="Stand back", message="")
        enforced(session)
        assert {line[0] for line in sshd.processes_of(ACCOUNT)} == {"T"}
        assert server.ssh(ACCOUNT, key, "true").returncode == 255
        unlock(admin, session)
        enforced(session)
        assert expiry() == before
        assert {line[0] for line in sshd.processes_of(ACCOUNT)} <= {"S", "R"}
        assert client.poll() is None
    end(alice, session)
    assert worked(session).status == Status.COMPLETE
    assert expiry() == before


def test_the_end_of_a_locked_session_opens_it_again_after_the_commands(
    server: sshd.Server, alice: User, admin: User, key: Path, tmp_path: Path
) -> None:
    prepared(server, alice, remove_actions=f"/usr/bin/test -e {tmp_path}/ready")
    session = given(alice)
    lock(admin, session, title="Stand back", message="")
    enforced(session)
    end(admin, session)
    assert worked(session).status == Status.CANCELING
    assert server.ssh(ACCOUNT, key, "true").returncode == 255
    (tmp_path / "ready").touch()
    assert worked(session).status == Status.CANCELED
    assert expiry() == ""
    assert server.ssh(ACCOUNT, key, "true").returncode == 0


def test_an_account_that_two_sessions_lock_opens_with_the_last_of_them(
    server: sshd.Server, alice: User, admin: User, outsider: User, key: Path
) -> None:
    prepared(server, alice, outsider)
    set_expiry("20999")
    first, second = given(alice), given(outsider)
    for session in (first, second):
        lock(admin, session, title="Stand back", message="")
        enforced(session)
    first.refresh_from_db()
    unlock(admin, first)
    enforced(first)
    assert server.ssh(ACCOUNT, key, "true").returncode == 255
    end(admin, second)
    assert worked(second).status == Status.CANCELED
    assert expiry() == "20999"
    assert server.ssh(ACCOUNT, key, "true").returncode == 0


def test_the_service_account_is_never_given(server: sshd.Server, alice: User, key: Path) -> None:
    prepared(server, alice)
    rule = Path("/etc/sudoers.d/satest-svc")
    rule.write_text(f"{ACCOUNT} ALL=(root) NOPASSWD: ALL\n")
    rule.chmod(0o440)
    try:
        authority = (server.directory / "authority.pub").read_text()
        Path(f"/home/{ACCOUNT}/.ssh/authorized_keys").write_text(f"cert-authority {authority}")
        Resource.objects.update(service_account=ACCOUNT)
        session = worked(ask(alice))
        assert session.status == Status.FAILED
        assert "is root or the service account" in session.end_reason
    finally:
        rule.unlink()
