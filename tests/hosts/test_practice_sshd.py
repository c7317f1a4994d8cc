"""The practice host of `make run`: a real account on this machine, reached with an ordinary client, and gone after."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions_app.catalogue.models import AccessPolicy, Resource
from sessions_app.hosts.models import CertificateAuthority
from sessions_app.management import sshd as practice
from sessions_app.sample import practice_host
from tests.support import builders, programs, sshd
from tests.support.console_shell import shell
from tests.support.waiting import wait_until

RUN = [sys.executable, "-m", "scripts.run"]
PREPARE = """
from django.contrib.auth.models import User
from sessions_app.privileged.flows.request import request_sessions
from sessions_app.models import Activity, Resource, UserKey
alice = User.objects.get(username="alice")
UserKey.objects.create(user=alice, title="laptop", public_key={key!r}, kind="Ed25519", fingerprint="x")
Activity.objects.filter(name="Practise sudo").update(login_account_template="satest-practice")
[session] = request_sessions(
    alice, user=alice, activity=Activity.objects.get(name="Practise sudo"),
    resources=[Resource.objects.get(name="practice-host")])
print("session", session.pk)
"""
SELECT = """
SELECT s.status, r.port, r.host_key
FROM sessions_app_privilegedsession s JOIN sessions_app_resource r ON r.id = s.resource_id WHERE s.id = ?
"""
END = """
from sessions_app.privileged.flows.end import end
from sessions_app.models import PrivilegedSession
session = PrivilegedSession.objects.get(pk={pk})
end(session.user, session)
"""


@pytest.fixture
def nothing_left() -> Iterator[None]:
    with sshd.alone():
        yield


def seen(var: Path, pk: str) -> tuple[str, int, str]:
    """Read the session's status, and the port and key of its host, from the database of the trial."""
    with contextlib.closing(sqlite3.connect(var / "sessionadmin.sqlite3", timeout=20)) as database:
        [(status, port, key)] = database.execute(SELECT, [pk])
    return status, port, key


@pytest.mark.sshd
def test_a_newcomer_logs_in_with_sudo_and_leaves_nothing(tmp_path: Path, nothing_left: None) -> None:
    var, port = tmp_path / "var", programs.free_port()
    environment = programs.clean_environment(
        VAR_DIR=str(var), PORT=str(port), DJANGO_SETTINGS_MODULE="sessionadmin.settings.development"
    )
    key = tmp_path / "id_alice"
    with programs.serving(RUN, environment, port, tmp_path / "printed") as running:
        wait_until(lambda: "Practice host practice-host" in running.printed(), "the practice host is told")
        pk = shell(PREPARE.format(key=sshd.make_key(key)), environment)[1]
        wait_until(lambda: seen(var, pk)[0] == "available", "the session is available")
        _, host_port, host_key = seen(var, pk)
        server = sshd.Server(host_port, var / "practice_sshd", running.process)
        assert server.host_key == host_key
        there = server.ssh("satest-practice", key, "sudo", "-n", "id", "-u")
        assert (there.stdout, there.returncode) == ("0\n", 0), there.stderr
        shell(END.format(pk=pk), environment)
        wait_until(lambda: seen(var, pk)[0] == "complete", "the session is over")
        assert sshd.leftovers() == []
        children = programs.descendants(running.process.pid)
        assert any("sshd" in command and str(var) in command for command in children.values())
    wait_until(lambda: programs.still_alive(list(children)) == [], "every process is gone")


def test_a_second_start_corrects_the_port_and_keeps_the_rest(db: None) -> None:
    builders.make_user("alice")
    practice_host.announce("127.0.0.1", 2201, "ssh-ed25519 AAAA")
    policy = AccessPolicy.objects.get(name="Practice host")
    assert [user.username for user in policy.users.all()] == ["alice"]
    Resource.objects.filter(name="practice-host").update(description="Ours")
    practice_host.announce("127.0.0.1", 2202, "ssh-ed25519 AAAA")
    host = Resource.objects.get(name="practice-host")
    assert (host.port, host.description, host.connector) == (2202, "Ours", "ssh")
    assert practice_host.port_of() == 2202
    assert CertificateAuthority.objects.count() == 1
    assert AccessPolicy.objects.count() == 1


def test_a_port_in_use_is_not_taken() -> None:
    used = programs.free_port()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", used))
        probe.listen()
        assert practice.free_port(used) not in (0, used)
    assert practice.free_port(used) == used


def test_without_root_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert practice.program() is None
