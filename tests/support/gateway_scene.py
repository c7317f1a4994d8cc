"""Runs a gateway's SSH server and a host in this process with asyncssh, for what OpenSSH's clients cannot do."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import asyncssh
from asyncssh.connection import SSHConnection
from django.contrib.auth.models import User

from sessions_app.gateway import identity, listening, store
from sessions_app.gateway.connection_limits import ConnectionLimits
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.relay import Relay
from sessions_app.hosts.ssh import ca
from sessions_app.privileged.models import PrivilegedSession
from tests.support import builders

CHUNK = b"0123456789abcdef" * 2048
CHUNKS = 2048  # 64 MiB, which is more than the network between holds
MOST = 8 * 1024 * 1024


@dataclass
class Host:
    """What the host was told, and how far it got."""

    port: int = 0
    typed: bytes = b""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    sent: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    process: Any = None

    async def serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run a command: `flood n` sends n chunks, `swallow` stores its input, `digest` hashes it, `slow` never reads.

        Without a command, send the input back.
        """
        self.process = process
        words = (process.command or "").split()
        try:
            if words[:1] == ["flood"]:
                await self._flood(process, int(words[1]))
            elif words[:1] == ["slow"]:
                process.channel.pause_reading()
                await asyncio.sleep(3600)
            elif words[:1] == ["digest"]:
                while data := await process.stdin.read(65536):
                    self.digest.update(data)
            else:
                await self._echo(process, is_silent=words[:1] == ["swallow"])
        except (BrokenPipeError, asyncssh.ConnectionLost):
            return
        process.exit(0)

    async def _flood(self, process: asyncssh.SSHServerProcess[bytes], chunks: int) -> None:
        for _ in range(chunks):
            process.stdout.write(CHUNK)
            self.sent += len(CHUNK)
            await process.stdout.drain()

    async def _echo(self, process: asyncssh.SSHServerProcess[bytes], *, is_silent: bool) -> None:
        while True:
            try:
                data = await process.stdin.read(65536)
            except asyncssh.TerminalSizeChanged as changed:
                self.sizes.append((changed.width, changed.height))
                continue
            if not data:
                return
            self.typed += data
            if not is_silent:
                process.stdout.write(b"<" + data + b">")


@dataclass
class Front:
    """A gateway that listens, the host behind it, and alice with her key."""

    port: int
    registry: Registry
    host: Host
    session: PrivilegedSession
    key: asyncssh.SSHKey

    async def connect(self, **values: Any) -> asyncssh.SSHClientConnection:
        defaults = {"username": "alice=web-1", "client_keys": [self.key], "known_hosts": None, "config": None}
        return await asyncssh.connect("127.0.0.1", self.port, agent_path=None, **(defaults | values))

    def relay(self) -> Relay:
        [relay] = self.registry.relays.values()
        return relay


@dataclass
class PreparedSession:
    """What the database knows before the event loop runs."""

    session: PrivilegedSession
    key: asyncssh.SSHKey
    host_key: asyncssh.SSHKey
    authority: str


def prepared(user: User, **profile: Any) -> PreparedSession:
    """Create an Available session of the user on web-1, and a registered key."""
    key, host_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    builders.make_key(user, key.export_public_key().decode())
    resource = builders.make_resource(
        "web-1", address="127.0.0.1", connector="ssh", host_key=host_key.export_public_key().decode().strip()
    )
    stored = builders.make_profile(**({"record": False} | profile))
    session = builders.make_session(user, resource=resource, profile=stored)
    return PreparedSession(session, key, host_key, ca.create().public_key)


@contextlib.asynccontextmanager
async def front(given: PreparedSession, **host_options: Any) -> AsyncIterator[Front]:
    """Run the gateway and the host behind it until the block ends."""
    host = Host()
    behind = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[given.host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(
            f'cert-authority,principals="{ca.session_principal(given.session.pk)}" {given.authority}'
        ),
        process_factory=host.serve,
        encoding=None,
        line_editor=False,
        **host_options,
    )
    host.port = behind.get_port()
    await store.call(_place, given.session.resource_id, host.port)
    registry = Registry("front-1")
    acceptor = await listening.listen(ConnectionLimits(registry), await store.call(identity.host_key), "127.0.0.1", 0)
    try:
        yield Front(acceptor.get_port(), registry, host, given.session, given.key)
    finally:
        acceptor.close()
        for relay in list(registry.relays.values()):
            relay.client_gone()
            await relay.closed.wait()
        behind.close()


def _place(resource_id: int, port: int) -> None:
    type(builders.make_resource("web-1")).objects.filter(pk=resource_id).update(port=port)


def transport_of(connection: SSHConnection) -> asyncio.Transport:
    assert connection._transport is not None
    return connection._transport


def waiting(relay: Relay) -> int:
    """Return how many bytes the gateway holds for both sides."""
    host = relay.bridge._host
    client_side: Any = relay._downstream  # what it holds is no part of its type
    assert host is not None
    for_person: int = client_side.buffered() + client_side._client.connection._transport.get_write_buffer_size()
    unread = sum(len(data) for data, _ in host._recv_buf)
    for_host = host.get_write_buffer_size() + transport_of(host.get_connection()).get_write_buffer_size()
    stored = held(client_side._client.connection) + held(host.get_connection())
    return stored + for_person + unread + for_host + sum(len(data) for data, _ in client_side._chan._recv_buf)


async def still(front: Front) -> None:
    """Wait until the host can send no more."""
    before = -1
    while before != front.host.sent:
        before = front.host.sent
        await asyncio.sleep(0.4)


def held(connection: Any) -> int:
    """Return how many bytes asyncssh holds for the peer of that connection until keys are exchanged."""
    return sum(len(part) for _, parts in connection._deferred_packets for part in parts)
