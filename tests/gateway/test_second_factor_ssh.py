"""OpenSSH's own clients at a gateway that asks for a second factor: a real sshd behind it, and a real `run_gateway`."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.factors.fresh import FRESH_FOR
from sessions_app.gateway.flows.ticket import issue
from sessions_app.gateway.models import GatewayConnection, TicketKind
from sessions_app.privileged.models import PrivilegedSession
from tests.support import gateway, sshd
from tests.support.builders import make_login
from tests.support.factors import code_of, give_app
from tests.support.gateway import Gateway
from tests.support.ssh_scene import given, prepare
from tests.support.waiting import seconds

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]
Done = subprocess.CompletedProcess[bytes]
Run = Callable[..., Done]
ASKED = b"Your session on web-1 asks for a second factor"
BATCH = b"A program that cannot ask you for it (BatchMode) cannot connect."


@pytest.fixture
def session(server: sshd.Server, alice: User, key: Path) -> PrivilegedSession:
    prepare(server, alice)
    ConnectionProfile.objects.update(confirm_at_connect=True)
    return given(alice)


@pytest.fixture
def through(session: PrivilegedSession, tmp_path: Path) -> Iterator[Gateway]:
    with gateway.serving(tmp_path / "gateway") as running:
        yield running


@pytest.fixture
def run(through: Gateway, key: Path, tmp_path: Path) -> Run:
    """Return a function that runs a client of OpenSSH, which gets `answer` to what it asks its user."""
    ask = tmp_path / "ask"

    def run(answer: str, program: str = "ssh", *words: str) -> Done:
        ask.write_text(f"#!/bin/sh\necho '{answer}'\n")
        ask.chmod(0o700)
        env = os.environ | {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        options = ["-oBatchMode=no", "-oNumberOfPasswordPrompts=1", *through.options(key)]
        line = [program, *options, *(words or ("alice=web-1@127.0.0.1", "id -un"))]
        return subprocess.run(
            line, env=env, capture_output=True, timeout=seconds(60), check=False, stdin=subprocess.DEVNULL
        )

    return run


def test_a_client_gets_in_by_key_and_code_and_the_code_is_used_up(
    session: PrivilegedSession, through: Gateway, run: Run, key: Path, alice: User, server: sshd.Server, tmp_path: Path
) -> None:
    give_app(alice)
    code = code_of()
    done = run(code)
    assert done.stdout.decode().strip() == session.login_account, done.stderr
    assert ASKED in done.stderr
    assert b"Enter the code of your authenticator app, or a one-time password from http" in done.stderr
    again = run(code)
    assert (again.stdout, again.returncode) == (b"", 255)
    assert b"Second factor refused. The code is wrong, or it was used before." in again.stderr
    assert GatewayConnection.objects.count() == 1

    batch = through.ssh("alice=web-1", key, "id -un")  # BatchMode=yes
    assert (batch.stdout, batch.returncode) == (b"", 255)
    assert BATCH in batch.stderr
    assert b"Permission denied (keyboard-interactive)" in batch.stderr
    for program, words in (("scp", [str(key), "alice=web-1@127.0.0.1:"]), ("sftp", ["alice=web-1@127.0.0.1"])):
        line = [program, *through.options(key), *words]
        refused = subprocess.run(line, capture_output=True, timeout=seconds(60), check=False, stdin=subprocess.DEVNULL)
        assert refused.returncode != 0
        assert BATCH in refused.stderr, refused

    copied = run(code_of(steps=1), "scp", str(key), "alice=web-1@127.0.0.1:copy")
    assert copied.returncode == 0, copied.stderr
    direct = subprocess.run(server.client(session.login_account, key), capture_output=True, check=False, timeout=60)
    assert direct.returncode == 255  # the host takes no registered key past the question


def test_who_has_no_app_is_told_to_get_a_one_time_password_which_opens(
    session: PrivilegedSession, through: Gateway, run: Run, alice: User
) -> None:
    login = make_login(alice, confirmed_at=timezone.now())
    one = issue(alice, session, TicketKind.PASSWORD, login=login, address="127.0.0.1")
    wrong = run("123456")
    assert wrong.returncode == 255
    hint = b"You have no authenticator app. Get a one-time password for this session at http"
    assert hint in wrong.stderr
    assert f"/sessions/{session.pk}/connections/".encode() in wrong.stderr
    done = run(one.secret)
    assert done.stdout.decode().strip() == session.login_account, done.stderr
    connection = GatewayConnection.objects.get()
    assert connection.login_session == login
    assert connection.fingerprint

    alone = issue(alice, session, TicketKind.PASSWORD, login=login, address="127.0.0.1")
    keyless = run(alone.secret, "ssh", "-oPubkeyAuthentication=no", "alice=web-1@127.0.0.1", "id -un")
    assert keyless.stdout.decode().strip() == session.login_account, keyless.stderr


def test_a_session_that_began_without_its_person_asks_at_the_first_connect_only(
    session: PrivilegedSession, through: Gateway, run: Run, key: Path, alice: User
) -> None:
    ConnectionProfile.objects.update(confirm_at_connect=False, confirm_at_start=True)
    make_login(alice, confirmed_at=timezone.now() - FRESH_FOR - dt.timedelta(seconds=1))
    give_app(alice)
    assert BATCH in through.ssh("alice=web-1", key, "id -un").stderr
    assert run(code_of()).returncode == 0
    later = through.ssh("alice=web-1", key, "id -un")
    assert later.stdout.decode().strip() == session.login_account, later.stderr
