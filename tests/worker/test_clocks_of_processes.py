"""`doctor` says whose clock is wrong: that of a worker, a gateway, or its own."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from sessions_app import database_clock
from sessions_app.gateway import heartbeats
from sessions_app.gateway.models import GatewayHeartbeat
from sessions_app.hosts.models import HostWatch
from sessions_app.worker.health import heartbeat
from sessions_app.worker.health.clocks import clocks
from sessions_app.worker.health.findings import Grade
from sessions_app.worker.models import WebHeartbeat, WorkerHeartbeat
from tests.support import builders, fleet, gateway, programs
from tests.support.machine import wrong_clock
from tests.support.waiting import PATIENCE, wait_until
from tests.support.worker_process import worker


@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_sqlite_has_the_clock_of_this_machine() -> None:
    heartbeat.beat("worker")
    assert WorkerHeartbeat.objects.get().clock_ahead is None
    found = clocks()
    assert found.grade is Grade.OK
    assert found.text == "The database has our own clock. No host's clock was read yet."


@pytest.mark.postgres_only
@pytest.mark.django_db
def test_clocks_that_agree_are_named_with_the_furthest_host() -> None:
    heartbeat.beat("worker")
    heartbeats.beat("gateway")
    WebHeartbeat.beat("web")
    for name, off in (("web-1", -0.4), ("web-2", 20.0)):
        HostWatch.objects.create(resource=builders.make_resource(name), clock_off=off)
    found = clocks()
    assert found.grade is Grade.OK
    for one in (
        "this process on ",
        "web process on ",
        "worker on ",
        "gateway on ",
        "the furthest is web-2, 20 s ahead of the console's.",
    ):
        assert one in found.text


@pytest.mark.django_db
def test_the_worst_clock_is_named_and_those_of_dead_processes_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_clock, "ahead_of_database", lambda: 0.5)
    for owner in ("one", "dead"):
        heartbeat.beat(owner)
        heartbeats.beat(owner)
    hour = dt.timedelta(hours=1)
    WorkerHeartbeat.objects.filter(owner="one").update(host="a", clock_ahead=-3600, seen_at=timezone.now() - hour)
    GatewayHeartbeat.objects.filter(owner="one").update(host="b", clock_ahead=2.5)
    WorkerHeartbeat.objects.filter(owner="dead").update(host="c", clock_ahead=7200, seen_at=timezone.now())
    GatewayHeartbeat.objects.filter(owner="dead").update(host="d", clock_ahead=7200, seen_at=timezone.now() - hour)
    found = clocks()
    assert found.grade is Grade.WARNING
    assert found.text.startswith(
        "The clock of worker on a is 3600.0 s behind the database's. Compared with the database"
    )
    assert found.text.endswith(" +0.5 s, worker on a -3600.0 s, gateway on b +2.5 s.")
    WorkerHeartbeat.objects.all().delete()
    GatewayHeartbeat.objects.update(clock_ahead=1.9, seen_at=timezone.now())
    assert clocks().grade is Grade.OK
    WebHeartbeat.beat("web")
    WebHeartbeat.objects.update(host="e", clock_ahead=-4.0)
    assert clocks().text.startswith("The clock of web process on e is 4.0 s behind the database's.")


@pytest.mark.postgres_only
@pytest.mark.clock
@pytest.mark.django_db(transaction=True)
def test_a_real_worker_and_a_real_gateway_with_wrong_clocks_are_named(tmp_path: Path) -> None:
    with (
        worker(tmp_path / "worker", **wrong_clock("-1h")),
        gateway.serving(tmp_path / "gateway", **wrong_clock("+10s")),
    ):
        wait_until(WorkerHeartbeat.objects.exists, "the worker has noted its clock")
        found = clocks()
    assert found.grade is Grade.WARNING
    assert "The clock of worker on " in found.text
    assert "s behind the database's" in found.text
    ahead = GatewayHeartbeat.objects.values_list("clock_ahead", flat=True).first()
    assert "gateway on " in found.text, ahead
    assert " +10.0 s" in found.text or " +9.9 s" in found.text
    assert " -3600.0 s" in found.text or " -3599.9 s" in found.text


@pytest.mark.django_db(transaction=True)
def test_the_web_processes_note_their_clock_until_they_stop(tmp_path: Path) -> None:
    port = programs.free_port()
    command = [*programs.MANAGE, "serve", "--port", str(port)]
    with programs.serving(command, fleet.environment(tmp_path), port, tmp_path / "out") as running:
        wait_until(WebHeartbeat.objects.exists, "the web processes have noted their clock")
        assert (WebHeartbeat.objects.get().clock_ahead is None) == (connection.vendor == "sqlite")
        running.process.terminate()
        assert running.process.wait(PATIENCE) == 0, running.printed()
    assert not WebHeartbeat.objects.exists()
