"""Makes live relays without a network: with the real Relay, control loop and database, and a stub for the person."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import asyncssh
from django.db import connections
from django.utils import timezone

from sessions_app.gateway import store
from sessions_app.gateway.change_listener import ChangeListener
from sessions_app.gateway.control_loop import ControlLoop
from sessions_app.gateway.downstream import Terminal
from sessions_app.gateway.models import EntryPoint, GatewayConnection
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.relay import Relay
from sessions_app.hosts.connectors.ssh.transport import Host
from sessions_app.privileged.models import PrivilegedSession
from tests.support import builders
from tests.support.waiting import PATIENCE

OWNER = "gate-1:1:aaaa"


class Person:
    """A stand-in for the person's end of a connection, which keeps what was sent to it."""

    def __init__(self) -> None:
        self.seen = b""
        self.closed = ""
        self.is_paused = self.is_unread = False

    def write(self, data: bytes) -> None:
        self.seen += data

    write_error = write

    def write_eof(self) -> None:
        self.seen += b"<EOF>"

    def end_of_write(self) -> None:
        self.is_unread = True

    def buffered(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    async def close(self, code: int, reason: str) -> None:
        self.closed = reason or f"code {code}"


def connect(session: PrivilegedSession, **values: Any) -> GatewayConnection:
    """Create the row of an open connection that began after all controls of the session so far."""
    newest = session.controls.order_by("-pk").values_list("pk", flat=True).first() or 0
    defaults = {"gateway": OWNER, "entry_point": EntryPoint.SSH, "address": "192.0.2.9", "confirmed_control": newest}
    return GatewayConnection.objects.create(session=session, **(defaults | values))


def hold(registry: Registry, connection: GatewayConnection, terminal: str = "xterm") -> tuple[Relay, Person]:
    """Return a live relay for that row. Call this on the event loop."""
    session, person = connection.session, Person()
    admitted = store.Admitted(
        connection_id=connection.pk,
        session_id=session.pk,
        user_id=session.user_id,
        user_name=session.user_name,
        resource_name=session.resource_name,
        host=Host(session.resource_name, "192.0.2.1", 22, session.login_account, ""),
        key=_KEY,
        certificate=_CERTIFICATE,
        end_at=session.end_at or timezone.now(),
        end_notice=dt.timedelta(0),
        can_extend=True,
        is_recorded=False,
        is_input_recorded=False,
        tcp_targets=(),
    )
    relay = registry.add(admitted, person, Terminal(terminal))
    relay.retime(session.end_at)
    return relay, person


_KEY = asyncssh.generate_private_key("ssh-ed25519")
_CERTIFICATE = _KEY.generate_user_certificate(_KEY, "nobody", principals=["nobody"])


@contextlib.asynccontextmanager
async def controlled(registry: Registry) -> AsyncIterator[ControlLoop]:
    """Run a control loop that listens for changes as in a real gateway."""
    changes = ChangeListener()
    changes.start()
    control = ControlLoop(registry, changes.event)
    task = asyncio.create_task(control.run())
    try:
        yield control
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await changes.stop()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario on an event loop of its own, and leave no connection to the database behind."""

    async def whole() -> None:
        try:
            await scenario
        finally:
            await asyncio.to_thread(_close_store)

    asyncio.run(whole())
    connections.close_all()


def _close_store() -> None:
    """Close the database connections of the store: each of its threads closes its own."""
    pools = (store._pool, store._first)
    everyone = threading.Barrier(1 + sum(len(pool._threads) for pool in pools))

    def close() -> None:
        connections.close_all()
        everyone.wait(PATIENCE)

    for pool in pools:
        for _ in range(len(pool._threads)):
            pool.submit(close)
    everyone.wait(PATIENCE)


async def away(step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a step of the console meanwhile, in another thread with its own connection to the database."""

    def call() -> Any:
        try:
            return step(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)


def make_connection(**values: Any) -> GatewayConnection:
    """Create a connection of alice on an Available session."""
    return connect(builders.make_session(), **values)
