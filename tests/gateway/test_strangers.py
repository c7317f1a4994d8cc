"""Clients that have not logged in cost little, keep nobody else out, and are disconnected soon; so are silent ones."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from typing import Any

import asyncssh
import pytest
from django.contrib.auth.models import User

from sessions_app.gateway import listening, process, upstream
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection
from tests.support.control_scene import run
from tests.support.gateway_scene import Front, front, prepared
from tests.support.waiting import seconds, until

pytestmark = pytest.mark.django_db(transaction=True)


async def stranger(port: int, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection that sends `said` and nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    return reader, writer


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send a byte from time to time, so that the connection is never silent."""
    try:
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)
    except (ConnectionError, OSError):
        return


async def until_closed(reader: asyncio.StreamReader) -> None:
    """Wait until the server closes the connection, whether or not it has read everything."""
    with contextlib.suppress(ConnectionError):
        await reader.read()


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-", b"SSH-2.0-slow\r\n", b"SSH-2.0-slow\r\n\x00\x00\x04\x00\x08\x14"], ids=str
)
def test_a_handshake_that_never_ends_is_ended(alice: User, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(listening, "LOGIN_SECONDS", 0.5)

    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there:
            silent, _ = await stranger(there.port, said)
            slow, writer = await stranger(there.port, said)
            dripping = asyncio.create_task(drip(writer))
            await until_closed(silent)
            await until_closed(slow)
            await dripping
            assert silent.at_eof()
            assert writer.is_closing()

    given = prepared(alice)
    run(scenario())


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-" + b"x" * 300 + b"\r\n",
        b"x" * 10_000,
        b"GET / HTTP/1.1\r\nHost: web\r\n\r\n",
        b"SSH-1.5-old\r\n",
        b"SSH-2.0-\xff\xfe\r\n",
        b"SSH-2.0-big\r\n\xff\xff\xff\xff" + b"x" * 64,
        b"SSH-2.0-none\r\n\x00\x00\x00\x00" + b"x" * 64,
    ],
    ids=lambda said: repr(said[:20]),
)
def test_what_is_no_handshake_ends_at_once_and_others_come_in(alice: User, said: bytes) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(10)), front(given) as there:
            reader, writer = await stranger(there.port, said)
            await until_closed(reader)
            writer.close()
            async with await there.connect() as client:
                assert (await client.run("swallow", stdin=asyncssh.DEVNULL)).exit_status == 0

    given = prepared(alice)
    run(scenario())


def test_strangers_that_hold_all_places_lose_the_oldest_of_them(alice: User, settings: Any) -> None:
    settings.GATEWAY_UNAUTHENTICATED = 5

    async def scenario() -> None:
        async with asyncio.timeout(seconds(20)), front(given) as there:
            crowd = [await stranger(there.port, b"SSH-2.0-slow\r\n") for _ in range(5)]
            for reader, _ in crowd:
                await reader.readline()
            async with await there.connect() as client:
                assert (await client.run("swallow", stdin=asyncssh.DEVNULL)).exit_status == 0
            first, *others = crowd
            await until_closed(first[0])
            assert not any(reader.at_eof() for reader, _ in others)
            more, _ = await stranger(there.port)
            assert (await more.readline()).startswith(b"SSH-2.0-OpenSSH_compatible_SessionAdmin")
            for _, writer in crowd:
                writer.close()

    given = prepared(alice)
    run(scenario())


def test_a_gateway_holds_as_many_connections_as_the_machine_lets_it() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        process.many_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_one_person_has_so_many_connections_used_or_not(alice: User, settings: Any) -> None:
    settings.GATEWAY_CONNECTIONS_PER_USER = 2

    async def scenario() -> None:
        async with asyncio.timeout(seconds(20)), front(given) as there:
            first, second = await there.connect(), await there.connect()
            third = await there.connect()
            with pytest.raises((asyncssh.Error, ConnectionError)):
                await third.run("swallow", stdin=asyncssh.DEVNULL)
            first.close()
            await first.wait_closed()
            async with second, await there.connect() as fourth:
                assert (await fourth.run("swallow", stdin=asyncssh.DEVNULL)).exit_status == 0

    given = prepared(alice)
    run(scenario())


def test_a_client_that_vanished_without_a_word_is_noticed(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "KEEPALIVE_SECONDS", 0.2)

    async def scenario() -> None:
        async with asyncio.timeout(seconds(20)), front(given) as there, await there.connect() as client:
            await client.create_process(encoding=None, term_type="xterm")
            await until(lambda: there.host.process is not None, "the host has a shell")
            relay = there.relay()
            monkeypatch.setattr(client, "data_received", lambda data, datatype=None: None)
            await relay.closed.wait()
            await until(lambda: there.host.process.is_closing(), "the host is let go")
            client.abort()

    given = prepared(alice)
    run(scenario())
    assert GatewayConnection.objects.get().end_reason == ConnectionEnd.CLOSED


def test_a_host_that_vanished_without_a_word_is_noticed(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "KEEPALIVE_SECONDS", 0.2)

    async def scenario() -> None:
        async with asyncio.timeout(seconds(20)), front(given) as there, await there.connect() as client:
            process = await client.create_process(encoding=None, term_type="xterm")
            await until(lambda: there.host.process is not None, "the host has a shell")
            host = there.host.process.channel.get_connection()
            host.data_received = lambda data, datatype=None: None
            assert b"The connection to web-1 is lost" in await process.stdout.read()
            host.abort()

    given = prepared(alice)
    run(scenario())
    assert GatewayConnection.objects.get().end_reason == ConnectionEnd.HOST


class Guesser(asyncssh.SSHClient):
    """Tries passwords and reads what is said to that."""

    def __init__(self) -> None:
        self.message: list[str] = []
        self._left = 2

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.message.append(msg)

    def password_auth_requested(self) -> str | None:
        self._left -= 1
        return "hunter2" if self._left >= 0 else None


@pytest.mark.parametrize("wanted", ["", "=web-1", "=no-such-host"])
def test_who_guesses_passwords_does_not_learn_which_names_there_are(alice: User, wanted: str) -> None:
    async def message(there: Front, name: str) -> list[str]:
        guesser = Guesser()
        with pytest.raises(asyncssh.PermissionDenied):
            await there.connect(
                username=f"{name}{wanted}", client_keys=None, client_factory=lambda: guesser, preferred_auth="password"
            )
        return guesser.message

    async def scenario() -> None:
        async with asyncio.timeout(seconds(20)), front(given) as there:
            of_alice = await message(there, "alice")
            assert "refused" in "".join(of_alice)
            assert await message(there, "nobody") == of_alice

    given = prepared(alice)
    run(scenario())
