"""A gateway that is told to stop lets nobody new in, tells who is there, waits for them, and closes with the reason."""

from __future__ import annotations

import asyncio

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from sessions_app.gateway import heartbeats
from sessions_app.gateway.downstream import AccessRefused, Terminal
from sessions_app.gateway.drain import drain
from sessions_app.gateway.flows.connect import AuthenticatedClient
from sessions_app.gateway.models import ConnectionEnd, EntryPoint, GatewayConnection, GatewayHeartbeat
from sessions_app.gateway.opening import open_relay
from sessions_app.gateway.registry import Registry
from tests.support import builders
from tests.support.control_scene import OWNER, Person, away, connect, hold, run
from tests.support.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mine(alice: User) -> GatewayConnection:
    heartbeats.beat(OWNER)
    return connect(builders.make_session(alice))


def test_who_stays_is_closed_with_the_reason_when_the_time_is_over(mine: GatewayConnection) -> None:
    async def scenario() -> None:
        registry = Registry(OWNER)
        relay, person = hold(registry, mine)
        stopping = asyncio.create_task(drain(registry, 0.5, asyncio.Event()))
        await until(lambda: b"This gateway stops in" in person.seen, "the person is told")
        assert (await away(GatewayHeartbeat.objects.get)).is_draining
        assert not relay.is_over
        login = AuthenticatedClient(mine.session.user_id, mine.session_id, EntryPoint.SSH, "192.0.2.9", "client")
        with pytest.raises(AccessRefused, match="being stopped"):
            await open_relay(registry, login, Person(), Terminal())
        await stopping
        assert "Connect again: your session goes on" in person.closed

    run(scenario())
    mine.refresh_from_db()
    assert mine.end_reason == ConnectionEnd.DRAINED
    assert not GatewayHeartbeat.objects.exists()


def test_who_leaves_in_time_leaves_in_peace_and_nobody_waits_longer(mine: GatewayConnection) -> None:
    async def scenario() -> None:
        registry = Registry(OWNER)
        relay, person = hold(registry, mine)
        stopping = asyncio.create_task(drain(registry, 3600, asyncio.Event()))
        await until(lambda: bool(person.seen), "the person is told")
        relay.client_gone()
        await stopping

    run(scenario())
    mine.refresh_from_db()
    assert mine.end_reason == ConnectionEnd.CLOSED


def test_a_second_signal_ends_the_waiting(mine: GatewayConnection) -> None:
    async def scenario() -> None:
        registry, hurry = Registry(OWNER), asyncio.Event()
        _, person = hold(registry, mine)
        stopping = asyncio.create_task(drain(registry, 3600, hurry))
        await until(lambda: bool(person.seen), "the person is told")
        hurry.set()
        await stopping

    run(scenario())
    mine.refresh_from_db()
    assert mine.end_reason == ConnectionEnd.DRAINED


def test_a_gateway_stops_without_its_database_too(mine: GatewayConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(owner: str, **values: bool) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(heartbeats, "beat", gone)
    monkeypatch.setattr(heartbeats, "stopped", gone)

    async def scenario() -> None:
        registry = Registry(OWNER)
        _, person = hold(registry, mine)
        await drain(registry, 0.1, asyncio.Event())
        assert person.closed

    run(scenario())
    assert GatewayHeartbeat.objects.get().owner == OWNER
