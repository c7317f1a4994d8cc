"""Through the gateway with OpenSSH's own clients to a real host. Starts a real sshd and a real
`run_gateway`."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.gateway.flows.ticket import issue
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection, GatewayHeartbeat, TicketKind
from sessions_app.hosts.models import UserKey
from sessions_app.login_rules.models import LoginRule
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders, gateway, programs, sshd
from tests.support.gateway import Gateway
from tests.support.ssh_scene import Terminal, given, prepare, register_key, said, terminal, worked
from tests.support.waiting import seconds, wait_until

pytestmark = [pytest.mark.sshd, pytest.mark.django_db(transaction=True)]


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


def test_terminals_are_as_wide_as_the_clients_configurations_of_ssh_work_and_a_signal_ends_the_program(
    session: PrivilegedSession, through: Gateway, key: Path, tmp_path: Path
) -> None:
    line = "stty size; tty; kill -TERM $$"
    done = subprocess.run(
        [
            "script",
            "-qec",
            f"stty cols 97 rows 31; {' '.join(through.client('alice=web-1', key, more=['-tt']))} '{line}'",
            "/dev/null",
        ],
        capture_output=True,
        timeout=seconds(60),
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert b"31 97" in done.stdout, done.stdout
    assert b"/dev/pts/" in done.stdout

    config = tmp_path / "config"  # what docs/gateway.md tells people to put there, and the key of this gateway
    words = [one.replace("=", " ", 1) for one in through.options(key)[2:]]
    config.write_text("Host web-1\n HostName 127.0.0.1\n User alice=web-1\n" + "\n".join(f" {w[2:]}" for w in words))
    (tmp_path / "sent").write_text("by scp")
    batch = ["-b", "-"]
    for program, more, typed in (
        ("scp", [str(tmp_path / "sent"), "web-1:arrived"], b""),
        ("ssh", ["-T", "web-1"], b"cat arrived; test -t 0 || echo no terminal\n"),
        ("sftp", [*batch, "web-1"], f"get arrived {tmp_path}/back\n".encode()),
    ):
        done = subprocess.run(
            [program, "-F", str(config), *more], input=typed, capture_output=True, timeout=seconds(60)
        )
        assert done.returncode == 0, done.stderr
        if program == "ssh":
            assert done.stdout.endswith(b"by scpno terminal\n"), done.stdout
    assert (tmp_path / "back").read_text() == "by scp"
    jump = ["ssh", "-F", str(config), "-oProxyJump=web-1", "-oStrictHostKeyChecking=yes", "web-1-itself"]
    done = subprocess.run(jump, input=b"", capture_output=True, timeout=seconds(60), check=False)
    assert b"web-1-itself:22 is not allowed in this session. To reach the session's own host" in done.stderr

    killed = through.ssh(f"alice={session.pk}", key, "kill -KILL $$")
    assert killed.returncode == 255  # what OpenSSH's client says of a signal


def test_files_pass_through_and_each_leaves_an_entry(
    session: PrivilegedSession, through: Gateway, key: Path, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 4000
    (tmp_path / "a file").write_bytes(content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").write_text("inner")
    there = "alice=web-1@127.0.0.1"
    words = through.options(key)

    def scp(*arguments: str) -> None:
        done = subprocess.run(["scp", *words, *arguments], capture_output=True, timeout=seconds(60), check=False)
        assert done.returncode == 0, done.stderr

    scp("-O", "-r", str(tmp_path / "a file"), str(tmp_path / "folder"), f"{there}:.")
    scp("-O", f"{there}:a?file", str(tmp_path / "old way"))
    scp(str(tmp_path / "a file"), f"{there}:new")
    batch = tmp_path / "batch"
    batch.write_text(f"rename new newer\nget newer {tmp_path}/fetched\nmkdir d\nrmdir d\nrm newer\n-rm missing\n")
    done = subprocess.run(
        ["sftp", *words, "-b", str(batch), there], capture_output=True, timeout=seconds(60), check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "old way").read_bytes() == content
    assert (tmp_path / "fetched").read_bytes() == content
    wait_until(lambda: GatewayConnection.objects.open().count() == 0, "all connections are noted as over")
    home = f"/home/{session.login_account}"
    files = LogEntry.objects.filter(verb__in=[Verb.FILE_SENT, Verb.FILE_FETCHED, Verb.FILE_CHANGED]).order_by("pk")
    assert [one.message for one in files] == [
        f"alice sent a file as . ({len(content)} bytes)",
        "alice sent folder/inner as . (5 bytes)",
        f"alice fetched a file from a?file ({len(content)} bytes)",
        f"alice sent new ({len(content)} bytes)",
        f"alice renamed {home}/new to {home}/newer",
        f"alice fetched {home}/newer ({len(content)} bytes)",
        f"alice made the directory {home}/d",
        f"alice removed {home}/d",
        f"alice removed {home}/newer",
    ]
    assert {one.target_id for one in files} == {session.pk}


def test_forwarding_and_other_subsystems_are_denied(session: PrivilegedSession, through: Gateway, key: Path) -> None:
    where = through.client("alice=web-1", key)[:-1]
    agent = subprocess.run(
        [*through.client("alice=web-1", key, more=["-A", "-X"]), "echo agent=$SSH_AUTH_SOCK display=$DISPLAY"],
        capture_output=True,
        timeout=seconds(60),
        check=False,
        env={"SSH_AUTH_SOCK": "/tmp/none", "DISPLAY": ":0", "PATH": "/usr/bin"},
    )
    assert agent.stdout == b"agent= display=\n", agent.stderr
    for options in (["-W", "127.0.0.1:22"], ["-s"]):
        words = [*where, *options, "alice=web-1@127.0.0.1", *(["netconf"] if options == ["-s"] else [])]
        done = subprocess.run(words, capture_output=True, timeout=seconds(60), check=False, stdin=subprocess.DEVNULL)
        assert done.returncode != 0
        assert done.stdout == b""
    done = subprocess.run(
        [*where, "-oExitOnForwardFailure=yes", "-N", "-R", "0:127.0.0.1:22", "alice=web-1@127.0.0.1"],
        capture_output=True,
        timeout=seconds(60),
        check=False,
    )
    assert b"remote port forwarding failed" in done.stderr


def test_who_cannot_come_in_is_told_why_and_where_to_ask(
    session: PrivilegedSession, through: Gateway, key: Path, alice: User, tmp_path: Path, admin: User
) -> None:
    def refused(who: str) -> bytes:
        done = through.ssh(who, key, "echo in")
        assert (done.stdout, done.returncode) == (b"", 1), done
        return done.stderr

    assert b"You have no session \xe2\x80\x9cother\xe2\x80\x9d" in refused("alice=other")
    assert b"http" in refused("alice=other")
    bob_key = register_key(builders.make_user("bob"), tmp_path / "id_bob")
    own = through.ssh(f"bob={session.pk}", bob_key, "echo in")
    assert b"You have no session" in own.stderr
    assert through.ssh("alice=web-1", bob_key, "echo in").returncode == 255  # not her key
    assert through.ssh("nobody=web-1", bob_key, "echo in").returncode == 255
    rule = LoginRule.objects.create(user=alice, networks="192.0.2.0/24")
    assert b"The login rule of your account does not allow 127.0.0.1. An admin" in refused("alice=web-1")
    rule.delete()
    lock(admin, session, title="Audit", message="Ask us")
    assert b"Your session on web-1 is locked. Audit. Ask us" in refused("alice=web-1")
    builders.make_session(alice, Status.AVAILABLE, resource=builders.make_resource("vault", connector="vault"))
    session.refresh_from_db()
    end(admin, session)
    assert b"is over (Canceling)" in refused(f"alice={session.pk}")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert b"Your account is disabled." in refused(f"alice={session.pk}")
    assert GatewayConnection.objects.count() == 0
    entries = LogEntry.objects.filter(verb=Verb.CONNECTION_REFUSED)
    wait_until(lambda: entries.filter(message__contains="Somebody who could not prove to be alice").exists(), "noted")
    assert entries.filter(user_name="nobody").count() == 0


def test_a_one_time_password_opens_one_session_once(
    session: PrivilegedSession, through: Gateway, key: Path, alice: User, tmp_path: Path
) -> None:
    ask = tmp_path / "ask"

    def login(password: str, who: str = "alice=web-1") -> subprocess.CompletedProcess[bytes]:
        ask.write_text(f"#!/bin/sh\necho '{password}'\n")
        ask.chmod(0o700)
        env = os.environ | {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        words = through.client(who, None, "id -un", more=["-oNumberOfPasswordPrompts=1"])
        return subprocess.run(
            words, env=env, capture_output=True, timeout=seconds(60), check=False, stdin=subprocess.DEVNULL
        )

    given_one = issue(alice, session, TicketKind.PASSWORD, login=None, address="127.0.0.1")
    done = login(given_one.secret)
    assert done.stdout.decode().strip() == session.login_account, done.stderr
    again = login(given_one.secret)
    assert again.returncode == 255
    assert again.stderr.count(b"It was used before") == 1  # by one way to ask for it; the client tried two
    elsewhere = issue(alice, session, TicketKind.PASSWORD, login=None, address="192.0.2.1")
    assert b"it was given to 192.0.2.1" in login(elsewhere.secret).stderr
    LoginRule.objects.create(user=alice, networks="192.0.2.0/24")
    outside = issue(alice, session, TicketKind.PASSWORD, login=None, address="127.0.0.1")
    assert b"The login rule of your account does not allow 127.0.0.1." in login(outside.secret).stderr
    assert login("wrong").returncode == 255
    assert GatewayConnection.objects.count() == 1


def test_gateways_share_a_key_and_a_port_and_stop_in_order(
    session: PrivilegedSession, through: Gateway, key: Path, tmp_path: Path
) -> None:
    with gateway.serving(tmp_path / "second", "--port", str(through.port)) as second:
        assert second.port == through.port
        assert GatewayHeartbeat.objects.count() == 2
        for _ in range(6):
            assert through.ssh("alice=web-1", key, "true").returncode == 0
    assert GatewayHeartbeat.objects.count() == 1
    assert second.process.returncode == 0
    through.process.send_signal(signal.SIGTERM)
    assert through.process.wait(20) == 0
    assert GatewayHeartbeat.objects.count() == 0


def shown_at(terminal: Terminal, marker: str) -> str:
    """Type a marker, wait for its echo, and return all that the terminal has shown."""
    terminal.type(f"echo {marker[:1]}''{marker[1:]}\n".encode())
    wait_until(lambda: marker in terminal.text.decode(errors="replace"), f"{marker} is answered")
    return terminal.text.decode(errors="replace")


def test_what_is_said_to_people_is_said_once_whichever_way_they_came(
    server: sshd.Server, session: PrivilegedSession, through: Gateway, key: Path, alice: User, admin: User
) -> None:
    ConnectionProfile.objects.update(end_notice=dt.timedelta(days=1))
    PrivilegedSession.objects.update(end_notice_sent=False)
    line = through.client("alice=web-1", key, more=["-tt"])
    client = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        mine = Terminal(client)
        assert "first" in shown_at(mine, "first")
        with terminal(server, session, key, b"") as direct:
            shown_at(direct, "first")
            worked(session)
            for one in (mine, direct):
                assert shown_at(one, "announced").count("This session ends at") == 1, one.text

            lock(admin, session, title="Hold on", message="We look")
            wait_until(lambda: b"Hold on" in mine.text, "the gateway shows the lock")
            worked(session)
            unlock(admin, session)
            wait_until(lambda: not GatewayConnection.objects.filter(is_frozen=True).exists(), "the gateway goes on")
            worked(session)
            for one in (mine, direct):
                assert shown_at(one, "unlocked").count("Hold on") == 1, one.text

            lock_account(admin, alice, title="Lost laptop", message="Call 12")
            wait_until(lambda: client.poll() is not None, "who came through the gateway is cut")
            assert b"Your account is locked: Lost laptop. Call 12." in mine.text
            worked(session)
            wait_until(lambda: b"Lost laptop" in direct.text, "who came directly reads it")
            assert direct.client.poll() is None
    finally:
        client.kill()
        client.wait(10)


def test_tcp_goes_to_the_targets_of_the_profile_and_nowhere_else(
    server: sshd.Server, alice: User, key: Path, tmp_path: Path
) -> None:
    other = programs.free_port()
    prepare(server, alice)
    ConnectionProfile.objects.update(tcp_targets=f"127.0.0.1:{server.port}")
    session = given(alice)

    def forwarded(through: Gateway, port: int) -> subprocess.CompletedProcess[bytes]:
        words = through.client("alice=web-1", key, more=["-W", f"127.0.0.1:{port}"])
        return subprocess.run(words, input=b"", capture_output=True, timeout=seconds(60), check=False)

    with gateway.serving(tmp_path / "gateway") as through:
        assert forwarded(through, server.port).stdout.startswith(b"SSH-2.0-OpenSSH")
        denied = forwarded(through, other)
        assert b"TCP forwarding to 127.0.0.1:%d is not allowed in this session" % other in denied.stderr
        noted = LogEntry.objects.of_target(session).get(verb=Verb.CONNECTION_REFUSED)
        assert f"alice was not let through the gateway to 127.0.0.1:{other}" in noted.message
        wait_until(lambda: not GatewayConnection.objects.open().exists(), "the connection is noted as over")
        connection = GatewayConnection.objects.get()
        assert (connection.session_id, connection.end_reason) == (session.pk, ConnectionEnd.CLOSED)
        assert connection.bytes_out > 10
        opened = LogEntry.objects.of_target(session).get(verb=Verb.TCP_OPENED)
        target = f"127.0.0.1:{server.port}"
        assert (opened.message, opened.user_name) == (f"alice opened TCP to {target} through web-1", "alice")
        closed = LogEntry.objects.of_target(session).get(verb=Verb.TCP_CLOSED)
        assert closed.message.startswith(f"TCP of alice to {target} through web-1 is over: 0 bytes sent, ")
        assert (closed.details["tcp"], closed.details["connection"]) == (target, connection.pk)
        assert closed.details["bytes_out"] == connection.bytes_out
        assert closed.details["seconds"] >= 0
        direct = server.client(session.login_account, key)[:-1]
        words = [*direct, "-W", f"127.0.0.1:{server.port}", f"{session.login_account}@127.0.0.1"]
        assert subprocess.run(words, input=b"", capture_output=True, timeout=seconds(60), check=False).stdout == b""
