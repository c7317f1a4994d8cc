"""No packet without content goes out on a connection whose cipher does not need it, and asyncssh stays as it is."""

import asyncio
import importlib.metadata
import re
import tomllib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import asyncssh
import pytest
from asyncssh import constants

from sessions_app.gateway import asyncssh_patches, pressure
from sessions_app.gateway.asyncssh_patches import leave_out_empty_packets
from tests.support.source import ROOT

KEYS = 20


class EntryPoint(asyncssh.SSHServer):
    """Lets everybody in, and sends as the gateway does."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        leave_out_empty_packets(conn)

    def begin_auth(self, username: str) -> bool:
        return False


async def echo(process: asyncssh.SSHServerProcess[bytes]) -> None:
    while data := await process.stdin.read(64):
        process.stdout.write(data)
    process.exit(0)


async def packets_for_keys(cipher: str) -> list[int]:
    """Return the types of the packets that a client with this cipher gets while it types."""
    came: list[int] = []
    key = asyncssh.generate_private_key("ssh-ed25519")
    ciphers: dict[str, Any] = {"encryption_algs": [cipher], "encoding": None, "config": None}
    server = await asyncssh.create_server(
        EntryPoint, "127.0.0.1", 0, server_host_keys=[key], process_factory=echo, line_editor=False, **ciphers
    )
    async with server:
        port, options = server.get_port(), {"username": "alice", "known_hosts": None, "config": None}
        async with asyncssh.connect("127.0.0.1", port, encryption_algs=[cipher], **options) as client:
            process = await client.create_process(encoding=None)
            process.stdin.write(b"x")
            assert await process.stdout.read(1) == b"x"
            logs = {one: one.log_received_packet for one in (client, process.channel)}
            for one, log in logs.items():
                one.log_received_packet = _noting(came, log)  # type: ignore[method-assign]  # of these two only
            for _ in range(KEYS):
                process.stdin.write(b"x")
                assert await process.stdout.read(1) == b"x"
    return came


def _noting(came: list[int], log: Callable[..., None]) -> Callable[..., None]:
    def note(kind: int, *rest: Any) -> None:
        came.append(kind)
        log(kind, *rest)

    return note


@pytest.mark.parametrize(("cipher", "empty"), [("aes128-gcm@openssh.com", 0), ("aes256-ctr", 0), ("aes256-cbc", KEYS)])
def test_an_echo_comes_without_an_empty_packet_before_it_unless_the_cipher_chains_blocks(
    cipher: str, empty: int
) -> None:
    came = asyncio.run(packets_for_keys(cipher))
    assert came.count(constants.MSG_CHANNEL_DATA) >= KEYS
    assert came.count(constants.MSG_IGNORE) >= empty if empty else constants.MSG_IGNORE not in came


@pytest.mark.parametrize("module", [asyncssh_patches, pressure], ids=lambda module: module.__name__.rpartition(".")[2])
def test_asyncssh_is_pinned_to_the_minor_version_whose_private_names_are_used(module: ModuleType) -> None:
    named = re.search(r"names of asyncssh (\d+)\.(\d+)", " ".join((module.__doc__ or "").split()))
    assert named
    major, minor = map(int, named.groups())
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"asyncssh>={major}.{minor},<{major}.{minor + 1}" in dependencies
    assert importlib.metadata.version("asyncssh").startswith(f"{major}.{minor}.")
