"""The ends of connections are stored together. One that cannot be stored does not keep the others from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.gateway import store
from sessions_app.gateway.close_batcher import CloseBatcher
from sessions_app.gateway.flows.disconnect import Ending, disconnected
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection
from sessions_app.gateway.registry import Registry
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import builders
from tests.support.control_scene import OWNER, connect, hold, run

MANY = 30


@pytest.mark.django_db(transaction=True)
def test_many_that_are_cut_at_once_are_noted_in_a_few_transactions(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    really = store.ended

    def ended(endings: Sequence[Ending]) -> None:
        sizes.append(len(endings))
        really(endings)

    monkeypatch.setattr(store, "ended", ended)
    session = builders.make_session(alice)
    rows = [connect(session) for _ in range(MANY)]

    async def scenario() -> None:
        registry = Registry(OWNER)
        relays = [hold(registry, row)[0] for row in rows]
        for relay in relays:
            relay.disconnect(ConnectionEnd.TERMINATED, "Terminated")
        await asyncio.gather(*(relay.closed.wait() for relay in relays))
        assert registry.relays == {}

    run(scenario())
    assert sum(sizes) == MANY
    assert len(sizes) <= 3
    assert {*GatewayConnection.objects.values_list("end_reason", flat=True)} == {ConnectionEnd.TERMINATED}
    assert LogEntry.objects.filter(verb=Verb.CONNECTION_CLOSED).count() == MANY


@pytest.mark.django_db(transaction=True)
def test_an_end_that_cannot_be_noted_keeps_no_other_from_it(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = builders.make_session(alice)
    rows = [connect(session) for _ in range(5)]
    really = store.ended

    def ended(endings: Sequence[Ending]) -> None:
        if any(one.connection_id == rows[3].pk for one in endings):
            raise OperationalError("deadlock detected")
        really(endings)

    monkeypatch.setattr(store, "ended", ended)

    said: list[BaseException | None] = []

    async def scenario() -> None:
        endings = CloseBatcher()
        ends = [Ending(row.pk, ConnectionEnd.CLOSED) for row in rows]
        said.extend(await asyncio.gather(*(endings.note(one) for one in ends), return_exceptions=True))

    run(scenario())
    assert [isinstance(one, OperationalError) for one in said] == [False, False, False, True, False]
    assert list(GatewayConnection.objects.open()) == [rows[3]]


@pytest.mark.django_db
def test_only_a_session_that_has_no_connection_left_is_looked_at_anew(alice: User) -> None:
    later = timezone.now()
    one, two = (builders.make_session(alice, Status.LOGGED_IN, next_monitor_at=later) for _ in range(2))
    gone, stays, last = connect(one), connect(one), connect(two)
    ends = [Ending(gone.pk, ConnectionEnd.CLOSED, bytes_in=3), Ending(last.pk, ConnectionEnd.LOST)]
    assert disconnected(ends) == 2
    assert disconnected(ends) == 0
    monitored = dict(PrivilegedSession.objects.values_list("pk", "next_monitor_at"))
    assert monitored == {one.pk: later, two.pk: None}
    assert list(GatewayConnection.objects.open()) == [stays]
    assert LogEntry.objects.filter(verb=Verb.CONNECTION_CLOSED).count() == 2
    gone.refresh_from_db()
    assert (gone.bytes_in, gone.end_reason) == (3, ConnectionEnd.CLOSED)
