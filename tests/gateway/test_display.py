"""The console shows what gateways have confirmed, and says so when one is gone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.gateway import connection_state
from sessions_app.gateway.heartbeats import SILENT_AFTER, beat
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection, GatewayHeartbeat
from sessions_app.heartbeat_of_process import FORGOTTEN_AFTER
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import ControlRequest
from sessions_app.worker.health import checks
from tests.support import builders, pages
from tests.support.control_scene import OWNER, connect

pytestmark = pytest.mark.django_db
AsUser = Callable[[User], Client]
OTHER = "gate-2:1:bbbb"


def controls(client: Client, number: int) -> list[dict[str, str]]:
    return pages.controls(pages.elements(client.get(f"/sessions/{number}/")))


def confirm(*connections: GatewayConnection) -> None:
    newest = ControlRequest.objects.order_by("-pk")[0].pk
    connection_state.confirm([connection_state.EnforcedState(one.pk, newest, True) for one in connections])


def test_a_lock_is_requested_of_gateways_until_each_has_confirmed(as_user: AsUser, admin: User, alice: User) -> None:
    session = builders.make_session(alice)
    one, two, three = connect(session), connect(session), connect(session, gateway=OTHER)
    ended = {"ended_at": timezone.now(), "end_reason": ConnectionEnd.CLOSED}
    connect(session, **ended)  # before the request: it does not count
    client = as_user(admin)
    for owner in (OWNER, OTHER):
        beat(owner)
    lock(admin, session, title="Stop")
    connect(session, started_at=timezone.now() + dt.timedelta(seconds=1))  # after it: neither
    (row,) = controls(client, session.pk)
    assert row["Host"] == "not enforced yet"
    assert row["Gateway"].startswith("Confirmed for 0 of 3 connections ")
    assert row["Gateway"].endswith(f"Requested of gateway {OWNER} for 2 Requested of gateway {OTHER} for 1")
    confirm(one, two)
    (row,) = controls(client, session.pk)
    assert f"Confirmed for 2 of 3 connections Requested of gateway {OTHER} for 1" in row["Gateway"]
    confirm(three)
    (row,) = controls(client, session.pk)
    shown = GatewayConnection.objects.get(pk=three.pk).confirmed_at
    assert shown is not None
    assert row["Gateway"].endswith(f"Confirmed for 3 of 3 connections, {shown:%H:%M:%S}")


def test_a_gateway_that_is_gone_is_named(as_user: AsUser, admin: User, alice: User) -> None:
    session = builders.make_session(alice)
    connect(session)
    beat(OWNER)
    last = timezone.now() - SILENT_AFTER - dt.timedelta(seconds=2)
    GatewayHeartbeat.objects.update(seen_at=last)
    lock(admin, session, title="Stop")
    (row,) = controls(as_user(admin), session.pk)
    assert f"Unconfirmed for 1, gateway {OWNER} is gone since {last:%H:%M:%S}" in row["Gateway"]
    GatewayHeartbeat.objects.all().delete()
    (row,) = controls(as_user(admin), session.pk)
    assert row["Gateway"].endswith(f"Unconfirmed for 1, gateway {OWNER} is gone")


def test_a_connection_that_ended_since_has_nothing_left_to_enforce(as_user: AsUser, admin: User, alice: User) -> None:
    session = builders.make_session(alice)
    mine = connect(session)
    lock(admin, session, title="Stop")
    GatewayConnection.objects.filter(pk=mine.pk).update(ended_at=timezone.now(), end_reason=ConnectionEnd.HOST)
    unlock(admin, session)
    latest, before = controls(as_user(admin), session.pk)
    assert latest["Gateway"] == "no connection"
    assert before["Gateway"] == "Confirmed for 1 of 1 connection"


def test_many_connections_and_requests_cost_the_same_queries(as_user: AsUser, admin: User, alice: User) -> None:
    session = builders.make_session(alice)
    client = as_user(admin)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as taken:
            assert controls(client, session.pk)
        return len(taken)

    connect(session)
    lock(admin, session, title="Stop")
    few = queries()
    for _ in range(10):
        connect(session, confirmed_control=0)
        unlock(admin, session)
        lock(admin, session, title="Stop")
    assert queries() == few


def look() -> tuple[str, str]:
    found = checks.gateway()
    return found.grade.value, found.text


def test_doctor_says_how_gateways_are(alice: User, settings: Any) -> None:
    assert look() == ("ok", "None is running; no resource is reached by SSH.")
    session = builders.make_session(alice, resource=builders.make_resource("db-1", connector="ssh"))
    assert look()[0] == "warning"
    assert "None is running" in look()[1]
    beat(OWNER)
    connect(session)
    grade, text = look()
    assert grade == "ok"
    assert text.startswith("1 gateway running on ")
    assert text.endswith(", 1 open connection.")
    beat(OTHER, is_draining=True)
    assert look()[1].endswith("1 of them is being stopped.")
    GatewayHeartbeat.objects.filter(owner=OTHER).update(seen_at=timezone.now() - SILENT_AFTER - dt.timedelta(seconds=9))
    grade, text = look()
    assert grade == "warning"
    assert text.endswith("went silent without a clean stop; its connections are lost.")
    GatewayHeartbeat.objects.filter(owner=OTHER).update(
        seen_at=timezone.now() - FORGOTTEN_AFTER - dt.timedelta(hours=1)
    )
    assert look()[0] == "ok"
