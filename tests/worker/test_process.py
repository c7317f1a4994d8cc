"""`sessionadmin run_worker` as a process of its own: it works, stops when asked, and may be killed."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from sessions_app.hosts.connectors import practice
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders
from tests.support.scene import ask
from tests.support.waiting import wait_until
from tests.support.worker_process import worker

pytestmark = pytest.mark.django_db(transaction=True)


def database_url() -> str:
    """Return the address of the test database for another process."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{config['NAME']}"
    password = f":{config['PASSWORD']}" if config["PASSWORD"] else ""
    return f"postgresql://{config['USER']}{password}@{config['HOST']}:{config['PORT']}/{config['NAME']}"


def has_status(session: PrivilegedSession, status: Status) -> Callable[[], bool]:
    return lambda: PrivilegedSession.objects.filter(pk=session.pk, status=status).exists()


@contextlib.contextmanager
def slow_host(name: str) -> Iterator[None]:
    """Hold the host's lock, so that every call to the host waits."""
    host = practice.directory(name)
    host.mkdir(parents=True, exist_ok=True)
    with (host / ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def is_under_way(session: PrivilegedSession) -> bool:
    return PrivilegedSession.objects.filter(pk=session.pk, attempts=1).exclude(lease="").exists()


def test_it_works_and_stops_when_asked(alice: User, tmp_path: Path) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    with worker(tmp_path) as process:
        wait_until(has_status(session, Status.AVAILABLE))
        assert practice.find_grant(session.pk) is not None
        session.refresh_from_db()
        end(alice, session)
        wait_until(has_status(session, Status.COMPLETE))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert practice.grants() == []


def test_one_slow_host_does_not_hold_up_the_others_and_a_stop_finishes_the_step(alice: User, tmp_path: Path) -> None:
    builders.make_policy(users=[alice], resources=[builders.make_resource(name) for name in ("slow", "quick")])
    slow, quick = ask(alice, resource="slow"), ask(alice, resource="quick")
    with worker(tmp_path) as process:
        with slow_host("slow"):
            wait_until(lambda: is_under_way(slow))
            wait_until(has_status(quick, Status.AVAILABLE))
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            assert process.poll() is None
        assert process.wait(timeout=10) == 0
    slow.refresh_from_db()
    assert (slow.status, slow.lease) == (Status.AVAILABLE, "")


def test_many_sessions_on_a_slow_host_leave_a_thread_for_the_others(alice: User, tmp_path: Path) -> None:
    builders.make_policy(users=[alice], resources=[builders.make_resource(name) for name in ("slow", "quick")])
    users = [alice, *(builders.make_user(f"user{number}") for number in range(5))]
    slow = [builders.make_session(user, Status.PROVISIONING, resource=builders.make_resource("slow")) for user in users]
    quick = ask(alice, resource="quick")
    with worker(tmp_path) as process:
        with slow_host("slow"):
            wait_until(lambda: any(is_under_way(session) for session in slow))
            wait_until(has_status(quick, Status.AVAILABLE))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_killed_in_the_middle_of_a_step_it_leaves_nothing_behind(alice: User, tmp_path: Path) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    with worker(tmp_path) as process, slow_host("web-1"):
        wait_until(lambda: is_under_way(session))
        process.kill()
        process.wait()
    session.refresh_from_db()
    end(alice, session)
    assert reconcile() == 0
    assert session.lease_until is not None
    assert session.lease_until > timezone.now()
    PrivilegedSession.objects.filter(pk=session.pk).update(lease_until=timezone.now())
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.COMPLETE
    assert practice.grants() == []
