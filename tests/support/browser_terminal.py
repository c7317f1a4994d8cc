"""Runs a gateway's websocket server and a small host in this process, and connects pages to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from sessions_app.gateway import store, web
from sessions_app.gateway.browser_channel import BrowserChannel
from sessions_app.gateway.downstream import Terminal
from sessions_app.gateway.flows.ticket import issue
from sessions_app.gateway.models import TicketKind
from sessions_app.gateway.registry import Registry
from sessions_app.logins.models import LoginSession
from sessions_app.privileged.models import PrivilegedSession
from tests.support.builders import make_resource, make_session
from tests.support.waiting import seconds

ORIGIN = "https://console.example.com"


class EchoRelay:
    """Stands where relay and bridge to a host stand: says back what is typed, upper case, and notes the rest."""

    def __init__(
        self, registry: Registry, number: int, login: Any, downstream: BrowserChannel, terminal: Terminal
    ) -> None:
        self.connection_id, self.session_id = number, login.session_id
        self.login, self.downstream, self.terminal = login, downstream, terminal
        self.bridge = self
        self.sizes: list[tuple[int, int]] = []
        self.typed = bytearray()
        self.gone = asyncio.Event()
        self.drains = 0
        registry.relays[number] = self  # type: ignore[assignment]  # has what is asked of a relay here

    def client_data(self, data: bytes) -> None:
        self.typed += data
        self.downstream.write(data.upper())

    def resize(self, size: tuple[int, int, int, int]) -> None:
        self.sizes.append(size[:2])

    def client_gone(self) -> None:
        self.gone.set()

    def drained(self) -> None:
        self.drains += 1


class Gateway:
    """The websocket server, and the relays it opened."""

    def __init__(self) -> None:
        self.registry = Registry(owner="gateway-of-the-test")
        self.relays: list[EchoRelay] = []
        self.port = 0

    async def open(self, registry: Registry, login: Any, downstream: Any, terminal: Terminal) -> EchoRelay:
        relay = EchoRelay(registry, len(self.relays) + 1, login, downstream, terminal)
        self.relays.append(relay)
        return relay

    def socket(self, *, origin: str | None = ORIGIN, path: str = "/terminal/", **options: Any) -> connect:
        headers = {"Origin": origin} if origin else {}
        address = f"ws://127.0.0.1:{self.port}{path}"
        return connect(address, additional_headers=headers | options.pop("headers", {}), proxy=None, **options)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web, "open_relay", gateway.open)
        patch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)  # the threads of the store keep none open
        terminals = await web.serve(gateway.registry, "127.0.0.1", 0)
        gateway.port = terminals.port
        try:
            yield gateway
        finally:
            terminals.close()


def drive(scenario: Callable[[Gateway], Awaitable[None]]) -> None:
    """Run the scenario against a running gateway."""

    async def all_of_it() -> None:
        async with running() as gateway, asyncio.timeout(seconds(30)):
            await scenario(gateway)

    asyncio.run(all_of_it())


def session_of(user: User, **values: Any) -> PrivilegedSession:
    return make_session(user, resource=make_resource("web-1", connector="ssh", host_key="ssh-ed25519 AAAA"), **values)


async def ticket_for(session: PrivilegedSession, login: LoginSession | None = None, address: str = "127.0.0.1") -> str:
    given = await store.call(issue, session.user, session, TicketKind.TERMINAL, login=login, address=address)
    return given.secret


def hello(ticket: str, **values: Any) -> str:
    return json.dumps({"ticket": ticket, "cols": 80, "rows": 24} | values)


@contextlib.asynccontextmanager
async def terminal_of(gateway: Gateway, session: PrivilegedSession, **options: Any) -> AsyncIterator[ClientConnection]:
    """Yield the socket of a page whose terminal is connected."""
    async with gateway.socket(**options) as page:
        await page.send(hello(await ticket_for(session)))
        await message(page)
        yield page


async def message(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message that is not output of the terminal."""
    while True:
        found = await socket.recv()
        if isinstance(found, str):
            read: dict[str, Any] = json.loads(found)
            return read


async def shown(socket: ClientConnection, length: int) -> bytes:
    """Return at least the next `length` bytes of the terminal's output."""
    data = b""
    while len(data) < length:
        found = await socket.recv()
        data += found if isinstance(found, bytes) else b""
    return data


async def ending(socket: ClientConnection) -> tuple[int | None, str]:
    """Wait until the gateway closes the socket. Return the code, and the reason that the gateway sent before."""
    reason = ""
    with contextlib.suppress(ConnectionClosed):
        while True:
            found = await socket.recv()
            if isinstance(found, str):
                reason = json.loads(found).get("reason", "")
    return socket.close_code, reason
