"""A working connection to a host is used again for a few seconds, for the same login and the same host key."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from sessions_app.catalogue.connectors import PermanentError, TemporaryError
from sessions_app.hosts.connectors.ssh import connection_pool
from sessions_app.hosts.connectors.ssh.connection_pool import CONNECTION_POOL
from sessions_app.hosts.connectors.ssh.transport import Host, HostKeyChanged, connected
from tests.support import sshd
from tests.support.waiting import wait_until

pytestmark = pytest.mark.sshd


@pytest.fixture
def key(tmp_path: Path) -> asyncssh.SSHKey:
    sshd.make_key(tmp_path / "id")
    return asyncssh.read_private_key(tmp_path / "id")


@pytest.fixture
def server(tmp_path: Path, key: asyncssh.SSHKey) -> Iterator[sshd.Server]:
    CONNECTION_POOL.forget()
    line = key.export_public_key().decode().strip()
    with sshd.serving(tmp_path / "sshd", authorized=line) as running:
        yield running
        CONNECTION_POOL.forget()


@pytest.fixture
def host(server: sshd.Server) -> Host:
    return Host("web-1", "127.0.0.1", server.port, "root", server.host_key)


def logins(server: sshd.Server) -> int:
    return server.printed().count("Accepted publickey")


def message(host: Host, key: asyncssh.SSHKey, *, anew: bool = False) -> str:
    """Run a script on the host, and return what it prints."""
    with connected(host, key, anew=anew) as remote:
        return remote.script("echo here").output.strip()


class _Closing:
    """A connection that takes some seconds to close, or never does."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.is_over = seconds, False

    def close(self) -> None:
        """Begin to close the connection."""

    async def wait_closed(self) -> None:
        """Wait until the connection is closed."""
        await asyncio.sleep(self.seconds)
        self.is_over = True


def test_who_closes_a_connection_waits_for_its_goodbye() -> None:
    connection: Any = _Closing(0.05)
    asyncio.run(connection_pool.ConnectionPool().close(connection_pool.PooledConnection("web-1", connection)))
    assert connection.is_over


def test_steps_in_quick_succession_share_a_login(server: sshd.Server, host: Host, key: asyncssh.SSHKey) -> None:
    assert [message(host, key) for _ in range(3)] == ["here"] * 3
    assert logins(server) == 1


def test_two_at_once_have_a_connection_each(server: sshd.Server, host: Host, key: asyncssh.SSHKey) -> None:
    with connected(host, key) as one, connected(host, key) as two:
        assert one.script("echo 1").output + two.script("echo 2").output == "1\n2\n"
    assert logins(server) == 2
    message(host, key)
    assert logins(server) == 2


def test_a_test_of_the_connection_logs_in_anew(server: sshd.Server, host: Host, key: asyncssh.SSHKey) -> None:
    message(host, key)
    message(host, key, anew=True)
    assert logins(server) == 2


def test_another_pinned_host_key_is_compared_at_once(
    server: sshd.Server, host: Host, key: asyncssh.SSHKey, tmp_path: Path
) -> None:
    message(host, key)
    other = Host(host.name, host.address, host.port, host.account, sshd.make_key(tmp_path / "other"))
    with pytest.raises(HostKeyChanged):
        message(other, key)


def test_another_key_logs_in_for_itself(server: sshd.Server, host: Host, key: asyncssh.SSHKey, tmp_path: Path) -> None:
    message(host, key)
    sshd.make_key(tmp_path / "stranger")
    with pytest.raises(PermanentError, match="refuses the service account"):
        message(host, asyncssh.read_private_key(tmp_path / "stranger"))


def test_after_a_failure_it_is_not_used_again(server: sshd.Server, host: Host, key: asyncssh.SSHKey) -> None:
    with pytest.raises(TemporaryError), connected(host, key):
        raise TemporaryError("a step failed")
    message(host, key)
    assert logins(server) == 2


def test_one_that_the_host_closed_is_not_used_again(server: sshd.Server, host: Host, key: asyncssh.SSHKey) -> None:
    message(host, key)
    monitors = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True)
    for process in monitors.stdout.split():
        os.kill(int(process), signal.SIGTERM)
    wait_until(lambda: all(line.connection.is_closed() for line in CONNECTION_POOL._idle), "the close is noticed")
    assert message(host, key) == "here"
    assert logins(server) == 2


def test_an_idle_one_is_closed_after_a_while(
    server: sshd.Server, host: Host, key: asyncssh.SSHKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "IDLE_SECONDS", 0.05)
    message(host, key)
    wait_until(lambda: "Received disconnect" in server.printed(), "it is closed")
    assert CONNECTION_POOL._idle == []


def test_an_old_one_is_closed_even_if_it_was_used_just_now(
    server: sshd.Server, host: Host, key: asyncssh.SSHKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "OLD_SECONDS", 0.0)
    message(host, key)
    assert CONNECTION_POOL._idle == []
    message(host, key)
    assert logins(server) == 2


def test_only_so_many_stay_open(
    server: sshd.Server, host: Host, key: asyncssh.SSHKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "MOST_IDLE", 1)
    with connected(host, key), connected(host, key):
        pass
    assert len(CONNECTION_POOL._idle) == 1


def test_a_child_process_opens_its_own(server: sshd.Server, host: Host, key: asyncssh.SSHKey) -> None:
    message(host, key)
    child = os.fork()
    if child == 0:
        os._exit(0 if message(host, key) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert logins(server) == 2
    message(host, key)
    assert logins(server) == 2


def test_a_program_that_ends_before_its_input_is_sent_is_judged_by_its_exit_code(
    server: sshd.Server, host: Host, key: asyncssh.SSHKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = asyncssh.SSHClientConnection.create_process

    async def returns_late(connection: asyncssh.SSHClientConnection, *words: Any, **options: Any) -> Any:
        process = await real(connection, *words, **options)
        await process.wait_closed()
        return process

    monkeypatch.setattr(asyncssh.SSHClientConnection, "create_process", returns_late)
    with connected(host, key) as remote:
        assert [remote.program([word], given="words").exit_code for word in ("true", "false")] == [0, 1]
