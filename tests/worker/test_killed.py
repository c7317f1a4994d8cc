"""A worker that dies at any moment leaves nothing behind: its lease runs out and another does the step again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.hosts.connectors import practice
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from sessions_app.worker.lease import LEASE
from tests.support import builders
from tests.support.scene import age, ask, granted


class Killed(BaseException):
    """No `except Exception` and no clean-up may notice it, as with SIGKILL."""


class Killer:
    """Dies at the n-th fault point: before each statement to the database, before and after each write on the host."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.left = at
        self.armed = True
        monkeypatch.setattr(practice, "_write", self._around(practice._write))
        monkeypatch.setattr(practice, "_remove", self._around(practice._remove))

    def point(self) -> None:
        if not self.armed:
            return
        self.left -= 1
        if self.left == 0:
            self.armed = False
            raise Killed

    def _around(self, write: Callable[..., None]) -> Callable[..., None]:
        def dying(*args: Any) -> None:
            self.point()
            write(*args)
            self.point()

        return dying

    def statement(self, execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        # Where a transaction begins and ends is left alone: the points before and after it are the same.
        if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            self.point()
        return execute(sql, *args)

    def kill_a_worker(self) -> bool:
        """Run one pass that dies. Return False if the pass ended before that."""
        try:
            with connection.execute_wrapper(self.statement):
                reconcile()
        except Killed:
            return True
        finally:
            self.armed = False
        return False


def the_lease_runs_out(session: PrivilegedSession) -> None:
    PrivilegedSession.objects.filter(pk=session.pk).exclude(lease_until=None).update(
        lease_until=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    )


def settle(session: PrivilegedSession, status: Status) -> None:
    """Let other workers go on, and check that the session gets this status and that its lease is free."""
    the_lease_runs_out(session)
    for _ in range(5):
        reconcile()
        age(session, dt.timedelta(minutes=2))
        is_asked = session.controls.filter(enforced_at=None, dropped_at=None).exists()
        if session.status == status and session.lease == "" and not is_asked:
            break
    assert session.status == status, session.last_error
    assert session.lease == ""


def every_point(scenario: Callable[[Killer, int], bool], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the scenario once for each fault point; how many there were."""
    for at in range(1, 200):
        with monkeypatch.context() as patch:
            if not scenario(Killer(patch, at), at):
                return at - 1
    raise AssertionError("the scenario has no end")


def test_killed_while_giving_rights(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.make_policy(users=[alice])

    def scenario(killer: Killer, at: int) -> bool:
        session = ask(alice)
        was_killed = killer.kill_a_worker()
        settle(session, Status.AVAILABLE)
        [(_, state)] = practice.grants()
        assert state["rights"] == ["sudo rule ALL"]
        assert LogEntry.objects.of_target(session).filter(verb=Verb.SESSION_AVAILABLE).count() == 1
        end(alice, session)
        settle(session, Status.COMPLETE)
        assert practice.grants() == []
        return was_killed

    assert every_point(scenario, monkeypatch) > 20


def test_killed_while_giving_rights_and_ended_before_anybody_noticed(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_policy(users=[alice])

    def scenario(killer: Killer, at: int) -> bool:
        session = ask(alice)
        was_killed = killer.kill_a_worker()
        session.refresh_from_db()
        end(alice, session)
        settle(session, Status.COMPLETE)
        assert practice.grants() == []
        return was_killed

    assert every_point(scenario, monkeypatch) > 20


def test_killed_while_taking_rights_away(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.make_policy(users=[alice])

    def scenario(killer: Killer, at: int) -> bool:
        killer.armed = False
        session = ask(alice)
        reconcile()
        session.refresh_from_db()
        end(alice, session)
        killer.armed = True
        was_killed = killer.kill_a_worker()
        settle(session, Status.COMPLETE)
        assert practice.grants() == []
        assert LogEntry.objects.of_target(session).filter(verb=Verb.SESSION_COMPLETED).count() == 1
        return was_killed

    assert every_point(scenario, monkeypatch) > 10


def test_killed_while_enforcing_a_lock(alice: User, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.make_policy(users=[alice])

    def scenario(killer: Killer, at: int) -> bool:
        killer.armed = False
        session = ask(alice)
        reconcile()
        session.refresh_from_db()
        lock(admin, session, title="Wait")
        killer.armed = True
        was_killed = killer.kill_a_worker()
        settle(session, Status.LOCKED)
        assert session.controls.get().state == "enforced"
        [(_, state)] = practice.grants()
        assert state["locked"] == {"title": "Wait", "message": ""}
        end(admin, session)
        settle(session, Status.CANCELED)
        assert practice.grants() == []
        return was_killed

    assert every_point(scenario, monkeypatch) > 10


def test_a_dead_workers_session_is_left_alone_until_its_lease_runs_out(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    with monkeypatch.context() as patch:
        assert Killer(patch, at=12).kill_a_worker()
    session.refresh_from_db()
    assert session.lease_until is not None
    assert reconcile() == 0
    assert reconcile(now=session.lease_until + dt.timedelta(seconds=1)) == 1
    assert dt.timedelta(seconds=60) == LEASE


def test_a_worker_that_stood_still_beyond_its_lease_takes_back_what_it_gave_too_late(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    give = practice.PracticeConnector.grant

    def frozen(self: practice.PracticeConnector, *args: Any) -> None:
        """Let the lease run out, the owner end the session, and another worker finish it."""
        monkeypatch.undo()
        the_lease_runs_out(session)
        end(alice, PrivilegedSession.objects.get(pk=session.pk))
        reconcile()
        assert PrivilegedSession.objects.get(pk=session.pk).status == Status.COMPLETE
        give(self, *args)

    monkeypatch.setattr(practice.PracticeConnector, "grant", frozen)
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.COMPLETE
    assert practice.grants() == []


def test_a_lease_is_not_given_back_by_who_lost_it(alice: User) -> None:
    session = granted(alice)
    PrivilegedSession.objects.filter(pk=session.pk).update(
        lease="another", lease_until=timezone.now() + dt.timedelta(seconds=60), next_monitor_at=None
    )
    assert reconcile() == 0
    session.refresh_from_db()
    assert session.lease == "another"
