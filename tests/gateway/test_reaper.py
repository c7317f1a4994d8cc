"""Connections of a dead gateway are marked as lost within seconds. A live gateway is never called dead."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.gateway import heartbeats
from sessions_app.gateway.flows.lost_connections import lose_connections
from sessions_app.gateway.heartbeats import Reaper, beat, stopped
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection, GatewayHeartbeat
from sessions_app.gateway.recordings.models import Recording
from sessions_app.heartbeat_of_process import FORGOTTEN_AFTER
from sessions_app.privileged.models import Status
from sessions_app.worker import loop
from tests.support import builders
from tests.support.control_scene import OWNER, connect, make_connection
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db


class Clock:
    """A monotonic clock that a test sets forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def watch(reaper: Reaper, clock: Clock, seconds: int) -> int:
    """Look once a second; how many connections were lost."""
    lost = 0
    for _ in range(seconds):
        clock.now += 1
        lost += reaper.look()
    return lost


def end_of(connection: GatewayConnection) -> str:
    return GatewayConnection.objects.values_list("end_reason", flat=True).get(pk=connection.pk)


def test_a_gateway_that_goes_silent_loses_its_connections_and_the_worker_looks_at_their_sessions(alice: User) -> None:
    session = builders.make_session(alice, Status.LOGGED_IN, next_monitor_at=timezone.now() + dt.timedelta(hours=1))
    one, two = connect(session), connect(session)
    other = make_connection(gateway="gate-2:1:bbbb")
    recording = Recording.objects.create(session=session, connection=one)
    clock = Clock()
    reaper = Reaper(clock)
    beat(OWNER)
    for _ in range(4):  # gate-2 goes on
        beat("gate-2:1:bbbb")
        assert watch(reaper, clock, 3) == 0
    beat("gate-2:1:bbbb")
    assert watch(reaper, clock, 5) == 2
    assert [end_of(one), end_of(two), end_of(other)] == [ConnectionEnd.LOST, ConnectionEnd.LOST, ""]
    session.refresh_from_db()
    assert session.next_monitor_at is None
    recording.refresh_from_db()
    assert not recording.is_complete
    entries = LogEntry.objects.filter(verb=Verb.CONNECTION_CLOSED)
    assert [entry.message.partition("is over: ")[2] for entry in entries] == [f"Lost: its gateway {OWNER} is gone"] * 2
    assert watch(reaper, clock, 30) == 1  # gate-2, now silent too


def test_a_gateway_whose_clock_is_wrong_lives_as_long_as_it_speaks() -> None:
    make_connection()
    clock = Clock()
    reaper = Reaper(clock)
    beat(OWNER)
    for minutes in range(10):
        GatewayHeartbeat.objects.update(seen_at=timezone.now() - dt.timedelta(days=1, minutes=-minutes))
        assert watch(reaper, clock, 10) == 0


def test_a_database_that_was_away_makes_nobody_dead() -> None:
    make_connection()
    clock = Clock()
    reaper = Reaper(clock)
    beat(OWNER)
    assert watch(reaper, clock, 2) == 0
    clock.now += 120  # nobody could look, and nobody could say anything
    assert watch(reaper, clock, 3) == 0
    beat(OWNER)
    assert watch(reaper, clock, 10) == 0
    assert watch(reaper, clock, 10) == 1


def test_connections_without_any_heartbeat_are_lost_too() -> None:
    connection = make_connection()
    clock = Clock()
    assert watch(Reaper(clock), clock, 20) == 1
    assert end_of(connection) == ConnectionEnd.LOST


def test_a_sign_of_life_in_the_last_moment_counts() -> None:
    connection = make_connection()
    beat(OWNER)
    before = GatewayHeartbeat.objects.get().seen_at
    beat(OWNER)
    assert lose_connections(OWNER, before) == 0
    assert lose_connections(OWNER, None) == 0
    assert end_of(connection) == ""
    assert lose_connections(OWNER, GatewayHeartbeat.objects.get().seen_at) == 1


def test_a_clean_stop_leaves_no_heartbeat_and_an_old_one_is_forgotten() -> None:
    beat(OWNER)
    stopped(OWNER)
    assert not GatewayHeartbeat.objects.exists()
    beat("gate-0:1:0000")
    GatewayHeartbeat.objects.update(seen_at=timezone.now() - FORGOTTEN_AFTER - dt.timedelta(minutes=1))
    beat(OWNER)
    assert [one.owner for one in GatewayHeartbeat.objects.all()] == [OWNER]


@pytest.mark.django_db(transaction=True)
def test_a_worker_looks_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "SILENT_AFTER", dt.timedelta(seconds=0.2))
    monkeypatch.setattr(heartbeats, "REAP_EVERY_SECONDS", 0.1)
    connection = connect(builders.make_session(status=Status.COMPLETE))  # which is nothing to do for the worker
    stop = threading.Event()

    def work() -> None:
        try:
            loop.run(stop, interval=0.1, threads=1)
        finally:
            connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        wait_until(lambda: end_of(connection) == ConnectionEnd.LOST, "the connection is lost")
    finally:
        stop.set()
        worker.join()
    assert GatewayConnection.objects.open().count() == 0
