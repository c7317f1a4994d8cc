"""A worker says that it is there, and the console says when none is."""

from __future__ import annotations

import datetime as dt
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_app.heartbeat_of_process import FORGOTTEN_AFTER
from sessions_app.logins import service
from sessions_app.not_me import mail
from sessions_app.privileged.models import Status
from sessions_app.repeating import RepeatingThread
from sessions_app.worker import loop, mails, passes
from sessions_app.worker.health import heartbeat
from sessions_app.worker.models import WorkerHeartbeat
from sessions_app.worker.scheduler import Due
from tests.support import builders, pages
from tests.support.waiting import wait_until
from tests.support.worker_process import worker

AsUser = Callable[[User], Client]
LONG_AGO = dt.timedelta(minutes=5)


def notice(client: Client) -> str:
    found = pages.elements(client.get("/sessions/")).find(".//*[@id='no-worker']")
    return "" if found is None else pages.text(found)


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_seen_while_it_runs_and_not_after_a_clean_stop(tmp_path: Path) -> None:
    with worker(tmp_path) as process:
        wait_until(lambda: len(heartbeat.running()) == 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert not WorkerHeartbeat.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_was_killed_is_missed_after_a_while(tmp_path: Path, alice: User) -> None:
    with worker(tmp_path) as process:
        wait_until(lambda: len(heartbeat.running()) == 1)
        process.kill()
        process.wait()
    builders.make_session(alice, Status.AVAILABLE)
    assert not heartbeat.is_worker_missed()
    WorkerHeartbeat.objects.update(seen_at=timezone.now() - heartbeat.SILENT_AFTER)
    assert heartbeat.running() == []
    assert heartbeat.is_worker_missed()


@pytest.mark.django_db
def test_a_beat_keeps_the_start_and_forgets_who_died_long_ago() -> None:
    heartbeat.beat("dead")
    WorkerHeartbeat.objects.update(seen_at=timezone.now() - FORGOTTEN_AFTER - LONG_AGO)
    heartbeat.beat("alive")
    WorkerHeartbeat.objects.update(started_at=timezone.now() - LONG_AGO, seen_at=timezone.now() - LONG_AGO)
    heartbeat.beat("alive")
    [row] = heartbeat.running()
    assert row.owner == "alive"
    assert row.seen_at - row.started_at >= LONG_AGO
    assert WorkerHeartbeat.objects.count() == 1


@pytest.mark.parametrize(
    ("status", "is_work"),
    [
        (Status.PROVISIONING, True),
        (Status.LOGGED_IN, True),
        (Status.CANCELING, True),
        (Status.PENDING, False),
        (Status.WAITING, False),
        (Status.COMPLETE, False),
    ],
)
@pytest.mark.django_db
def test_what_counts_as_work_for_a_worker(alice: User, status: Status, is_work: bool) -> None:
    builders.make_session(alice, status)
    assert heartbeat.is_work_waiting() is is_work


@pytest.mark.django_db
def test_a_date_that_has_come_is_work(alice: User) -> None:
    builders.make_session(alice, Status.PENDING, scheduled_for=timezone.now() - LONG_AGO)
    assert heartbeat.is_work_waiting()


@pytest.mark.django_db
def test_who_sees_everything_is_told_that_no_worker_is_running(
    as_user: AsUser, admin: User, auditor: User, alice: User
) -> None:
    assert notice(as_user(admin)) == ""
    builders.make_session(alice, Status.AVAILABLE)
    assert "No worker is running" in notice(as_user(admin))
    assert "No worker is running" in notice(as_user(auditor))
    assert notice(as_user(alice)) == ""
    heartbeat.beat("worker")
    assert notice(as_user(admin)) == ""


@pytest.mark.django_db
def test_a_refresh_of_the_list_does_not_ask_for_workers(as_user: AsUser, admin: User) -> None:
    client = as_user(admin)
    with CaptureQueriesContext(connection) as captured:
        client.get("/sessions/", headers={"HX-Request": "true"})
    assert captured.captured_queries
    assert not [query for query in captured.captured_queries if "workerheartbeat" in query["sql"]]


@pytest.mark.django_db(transaction=True)
def test_a_worker_whose_passes_fail_is_known_to_be_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    alive: list[str] = []

    def fail(now: dt.datetime) -> None:
        stop.set()
        raise OperationalError("canceling statement due to lock timeout")

    monkeypatch.setattr(passes, "due_with_resources", fail)
    monkeypatch.setattr(heartbeat, "beat", alive.append)
    loop.run(stop, interval=0, threads=1)
    assert len(alive) == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_goes_on_while_a_mail_server_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, asked = threading.Event(), threading.Event()
    waited: list[bool] = []

    def hang() -> int:
        asked.set()
        waited.append(stop.wait(20))
        return 0

    def due(now: dt.datetime) -> list[Due]:
        if asked.is_set():
            stop.set()
        return []

    monkeypatch.setattr(mail, "send_waiting", hang)
    monkeypatch.setattr(mails.Mailer, "every", 0.01)
    monkeypatch.setattr(passes, "due_with_resources", due)
    loop.run(stop, interval=0.01, threads=1)
    assert waited == [True]


@pytest.mark.django_db(transaction=True)
def test_what_fails_in_a_pass_keeps_nothing_else_of_it_from_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    done: list[str] = []

    def fail() -> None:
        done.append("failed")
        raise RuntimeError("a mistake of ours")

    def last() -> int:
        done.append("last")
        stop.set()
        return 0

    monkeypatch.setattr(service, "end_expired", fail)
    monkeypatch.setattr(loop, "remind_reviewers", last)
    loop.run(stop, interval=0, threads=1)
    assert done == ["failed", "last"]


@pytest.mark.django_db
def test_a_process_that_died_is_forgotten_also_if_its_clock_was_ahead() -> None:
    for owner, hours in (("long ago", -2), ("ahead", 2), ("a moment ago", 0)):
        WorkerHeartbeat.beat(owner)
        WorkerHeartbeat.objects.filter(owner=owner).update(seen_at=timezone.now() + dt.timedelta(hours=hours))
    WorkerHeartbeat.beat("new")
    assert set(WorkerHeartbeat.objects.values_list("owner", flat=True)) == {"a moment ago", "new"}


def test_a_thread_that_fails_unexpectedly_goes_on() -> None:
    stop = threading.Event()

    class Failing(RepeatingThread):
        name, every, problem = "failing", 0.001, "It failed"
        looks = 0

        def look(self) -> None:
            self.looks += 1
            if self.looks > 1:
                stop.set()
            raise RuntimeError("a mistake of ours")

    thread = Failing(stop)
    thread.start()
    thread.finish()
    assert thread.looks == 2
