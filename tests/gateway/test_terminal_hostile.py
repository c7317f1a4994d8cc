"""Terminals in the browser, and people who mean harm: handshakes and pastes without end, tickets that come late."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from django.contrib.auth.models import User
from websockets.asyncio.client import ClientConnection

from sessions_app.gateway import store, unauthenticated_sockets, web
from sessions_app.gateway.browser_channel import BrowserChannel
from sessions_app.privileged.flows.lock import lock
from tests.support.browser_terminal import (
    ORIGIN,
    Gateway,
    drive,
    ending,
    hello,
    message,
    session_of,
    terminal_of,
    ticket_for,
)
from tests.support.control_scene import run
from tests.support.gateway_scene import front, prepared
from tests.support.waiting import seconds

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def console(settings: Any) -> None:
    settings.GATEWAY_ORIGINS = [ORIGIN]
    settings.TRUSTED_PROXIES = []


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send a byte of a header from time to time."""
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("said", [b"", b"GET /terminal/ HTTP/1.1\r\nHost: web\r\nX-Slow: "], ids=["nothing", "headers"])
def test_a_handshake_that_never_ends_is_ended(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HELLO_SECONDS", 0.3)

    async def scenario(gateway: Gateway) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(said)
        dripping = asyncio.create_task(drip(writer))
        with contextlib.suppress(ConnectionError):
            await reader.read()
        await dripping
        assert writer.is_closing()

    drive(scenario)


@pytest.mark.parametrize(
    "said",
    [
        b"GET /terminal/ HTTP/1.1\r\nX: " + b"x" * 100_000,
        b"GET /terminal/ HTTP/1.1\r\n" + b"X: y\r\n" * 10_000,
        b"SSH-2.0-OpenSSH\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
    ids=["long", "many", "ssh", "tls"],
)
def test_what_is_no_handshake_is_ended_and_others_come_in(
    said: bytes, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "HELLO_SECONDS", 0.5)

    async def scenario(gateway: Gateway) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(said)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        async with gateway.socket() as page:
            await page.send(hello(await ticket_for(session)))
            assert (await message(page))["type"] == "connected"

    session = session_of(alice)
    drive(scenario)


def test_a_paste_of_100_mb_waits_in_the_browser_while_the_host_takes_nothing(alice: User) -> None:
    taken = 0

    async def paste(page: ClientConnection) -> None:
        nonlocal taken
        for _ in range(200):
            await page.send(b"x" * (MIB // 2))
            taken += MIB // 2

    async def scenario(gateway: Gateway) -> None:
        async with terminal_of(gateway, session) as page:
            [relay] = gateway.relays
            relay.downstream.pause_reading()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(paste(page), 1.5)
            assert taken < 32 * MIB  # what the network between holds, and a few messages
            assert not relay.typed
            page.transport.abort()

    session = session_of(alice)
    drive(scenario)


def test_a_page_that_goes_while_the_host_takes_nothing_leaves_nothing_behind(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "RESUME_SECONDS", 0.2)

    async def scenario(gateway: Gateway) -> None:
        page = await gateway.socket()
        await page.send(hello(await ticket_for(session)))
        await message(page)
        [relay] = gateway.relays
        relay.downstream.pause_reading()
        await page.send(b"typed")
        await asyncio.sleep(0.1)
        page.transport.abort()
        await relay.gone.wait()
        assert not relay.typed
        cut = await gateway.socket()
        await cut.send(hello(await ticket_for(session)))
        await message(cut)
        downstream = gateway.relays[1].downstream
        downstream.pause_reading()
        await cut.send(b"typed")
        await asyncio.sleep(0.1)
        await downstream.close(1, "Terminated.")
        assert (await ending(cut))[1] == "Terminated."
        await gateway.relays[1].gone.wait()

    session = session_of(alice)
    drive(scenario)


def test_a_terminal_larger_than_any_is_as_large_as_may_be(alice: User) -> None:
    async def scenario(gateway: Gateway) -> None:
        async with gateway.socket() as page:
            await page.send(hello(await ticket_for(session), cols=2**40, rows=0))
            await message(page)
            terminal = gateway.relays[0].terminal
            assert terminal.size == (1000, 1, 0, 0)

    session = session_of(alice)
    drive(scenario)


def test_a_ticket_lets_nobody_into_a_session_that_was_locked_since(alice: User, admin: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there:
            ticket = await ticket_for(given.session)
            await store.call(lock, admin, given.session, title="Audit", message="Ask us")
            terminals = await web.serve(there.registry, "127.0.0.1", 0)
            gateway = Gateway()
            gateway.port = terminals.port
            async with gateway.socket() as page:
                await page.send(hello(ticket))
                said = await message(page)
            assert said["type"] == "refused"
            assert "is locked. Audit. Ask us" in said["reason"]
            assert not there.registry.relays
            assert there.host.process is None
            terminals.close()

    given = prepared(alice)
    run(scenario())
    assert not given.session.connections.exists()


def test_who_waits_for_the_host_or_for_the_page_to_go_leaves_nothing_waiting() -> None:
    class Socket:
        """The socket of a page that is closed while the host reads nothing."""

        def __init__(self) -> None:
            self.is_gone = asyncio.Event()

        async def wait_closed(self) -> None:
            await self.is_gone.wait()

    async def scenario() -> None:
        downstream = BrowserChannel()
        socket: Any = Socket()
        downstream.pause_reading()
        waiting = asyncio.create_task(downstream._may_take(socket))
        await asyncio.sleep(0)
        downstream.resume_reading()
        assert await waiting
        downstream.pause_reading()
        waiting = asyncio.create_task(downstream._may_take(socket))
        await asyncio.sleep(0)
        socket.is_gone.set()
        assert not await waiting
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


HANDSHAKE = (
    f"GET /terminal/ HTTP/1.1\r\nHost: web\r\nOrigin: {ORIGIN}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
).encode()


@pytest.mark.parametrize("said", [b"", HANDSHAKE[:60], HANDSHAKE], ids=["nothing", "headers", "no ticket"])
def test_strangers_that_hold_all_places_lose_the_oldest_of_them(
    said: bytes, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unauthenticated_sockets, "MOST_SOCKETS", 5)
    monkeypatch.setattr(web, "HELLO_SECONDS", 60.0)

    async def scenario(gateway: Gateway) -> None:
        crowd = []
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(said)
            if said == HANDSHAKE:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            crowd.append((reader, writer))
        async with gateway.socket() as page:
            await page.send(hello(await ticket_for(session)))
            assert (await message(page))["type"] == "connected"
            first, *others = crowd
            with contextlib.suppress(ConnectionError):
                await first[0].read()
            assert not any(reader.at_eof() for reader, _ in others)
            again, _ = await asyncio.open_connection("127.0.0.1", gateway.port)  # whoever is in takes no such place
            await asyncio.sleep(0.1)
            assert not any(reader.at_eof() for reader, _ in [*others, (again, None)])
        for _, writer in crowd:
            writer.close()

    session = session_of(alice)
    drive(scenario)
