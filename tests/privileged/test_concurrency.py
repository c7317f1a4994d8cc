"""Two people, two workers, or a person and a worker at the same moment: one wins, the other is told, nothing is left.

Real threads with connections of their own, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.hosts.connectors import practice
from sessions_app.hosts.connectors.practice import PracticeConnector
from sessions_app.logins.flows.logout import logout
from sessions_app.logins.models import LoginSession
from sessions_app.people.models import AccountLock
from sessions_app.privileged.flows.account import lock_account, unlock_account
from sessions_app.privileged.flows.approve import approve
from sessions_app.privileged.flows.deny import deny
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.lockdown import lock_down
from sessions_app.privileged.flows.permission import lock_session_row
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import Approval, PrivilegedSession, Status
from sessions_app.worker import lease, reconcile
from tests.support import builders
from tests.support.races import TOLD, at_once, refusals
from tests.support.scene import HOUR, age, ask, granted

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5


def fresh(session: PrivilegedSession) -> PrivilegedSession:
    """Load the session again, as each person's own request would."""
    return PrivilegedSession.objects.get(pk=session.pk)


def status_of(session: PrivilegedSession) -> str:
    session.refresh_from_db()
    return session.status


@pytest.mark.parametrize("number", range(ROUNDS))
def test_two_administrators_lock_at_once(alice: User, admin: User, number: int) -> None:
    second = builders.make_admin("second-admin")
    session = granted(alice)
    outcomes = at_once(
        [
            lambda: lock(admin, fresh(session), title="From admin"),
            lambda: lock(second, fresh(session), title="From second"),
        ]
    )
    assert refusals(outcomes) == 1
    assert status_of(session) == Status.LOCKED
    [control] = session.controls.all()
    assert control.title == session.lock_title
    assert LogEntry.objects.of_target(session).filter(verb=Verb.SESSION_LOCKED).count() == 1


@pytest.mark.parametrize("number", range(ROUNDS))
def test_one_ends_while_the_other_terminates(alice: User, admin: User, number: int) -> None:
    session = granted(alice)
    outcomes = at_once([lambda: end(alice, fresh(session)), lambda: terminate(admin, fresh(session))])
    assert refusals(outcomes) == 1
    reconcile()
    won_by_owner = not isinstance(outcomes[0], TOLD)
    assert status_of(session) == (Status.COMPLETE if won_by_owner else Status.CANCELED)
    assert practice.grants() == []


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_last_two_approvals_come_at_once(alice: User, approver: User, outsider: User, number: int) -> None:
    profile = builders.make_profile(tiers=[[approver, outsider]])
    profile.tiers.update(required=2)
    builders.make_policy(users=[alice], profile=profile)
    session = ask(alice)
    outcomes = at_once([lambda: approve(approver, fresh(session)), lambda: approve(outsider, fresh(session))])
    assert refusals(outcomes) == 0
    assert status_of(session) == Status.PROVISIONING
    assert Approval.objects.count() == 2


@pytest.mark.parametrize("number", range(ROUNDS))
def test_one_approves_while_the_other_denies(alice: User, approver: User, outsider: User, number: int) -> None:
    builders.make_policy(users=[alice], profile=builders.make_profile(tiers=[[approver, outsider]]))
    session = ask(alice)
    outcomes = at_once([lambda: approve(approver, fresh(session)), lambda: deny(outsider, fresh(session), reason="No")])
    assert refusals(outcomes) == 1
    expected = Status.DENIED if isinstance(outcomes[0], TOLD) else Status.PROVISIONING
    assert status_of(session) == expected
    assert Approval.objects.count() == 1


def test_one_approver_in_two_browsers_counts_once(alice: User, approver: User, outsider: User) -> None:
    profile = builders.make_profile(tiers=[[approver, outsider]])
    profile.tiers.update(required=2)
    builders.make_policy(users=[alice], profile=profile)
    session = ask(alice)
    outcomes = at_once([lambda: approve(approver, fresh(session))] * 3)
    assert refusals(outcomes) == 2
    assert status_of(session) == Status.WAITING


def test_the_same_request_sent_five_times_at_once_makes_one_session(alice: User) -> None:
    builders.make_policy(users=[alice])
    builders.make_resource()
    builders.make_activity()
    outcomes = at_once([lambda: ask(User.objects.get(pk=alice.pk))] * 5)
    assert refusals(outcomes) == 4
    assert PrivilegedSession.objects.count() == 1


@pytest.mark.parametrize("number", range(ROUNDS))
def test_no_session_slips_through_while_its_account_is_locked(alice: User, admin: User, number: int) -> None:
    builders.make_policy(users=[alice])
    builders.make_resource()
    builders.make_activity()
    at_once(
        [
            lambda: ask(User.objects.get(pk=alice.pk)),
            lambda: lock_account(admin, User.objects.get(pk=alice.pk), title="Now"),
            reconcile,
        ]
    )
    reconcile()
    for session in PrivilegedSession.objects.all():
        assert session.status in (Status.CANCELED, Status.LOCKED)
    assert not PrivilegedSession.objects.filter(status__in=[Status.AVAILABLE, Status.LOGGED_IN]).exists()


def test_an_account_is_locked_and_unlocked_by_many_at_once(alice: User, admin: User) -> None:
    session = granted(alice)
    locks = at_once([lambda: lock_account(admin, User.objects.get(pk=alice.pk), title="x")] * 4)
    assert refusals(locks) == 3
    unlocks = at_once([lambda: unlock_account(admin, User.objects.get(pk=alice.pk))] * 4)
    assert refusals(unlocks) == 3
    assert AccountLock.objects.count() == 1
    assert status_of(session) == Status.AVAILABLE


def test_two_cut_everything_at_once(alice: User, admin: User) -> None:
    second = builders.make_admin("second-admin")
    for number in range(4):
        granted(alice, resource=f"web-{number}")
    builders.make_login(alice)
    outcomes = at_once(
        [
            lambda: lock_down(admin, User.objects.get(pk=alice.pk)),
            lambda: lock_down(second, User.objects.get(pk=alice.pk)),
            reconcile,
        ]
    )
    assert all(line.ok for lines in outcomes[:2] for line in lines)
    reconcile()
    assert set(PrivilegedSession.objects.values_list("status", flat=True)) == {Status.CANCELED}
    assert practice.grants() == []
    assert not LoginSession.objects.live().exists()


def test_a_browser_is_logged_out_once(alice: User, admin: User) -> None:
    login = builders.make_login(alice)
    outcomes = at_once([lambda: logout(admin, LoginSession.objects.get(pk=login.pk))] * 3)
    assert refusals(outcomes) == 2
    assert LogEntry.objects.filter(verb=Verb.LOGOUT_FORCED).count() == 1


@pytest.mark.parametrize("number", range(ROUNDS))
def test_an_extension_at_the_last_moment_counts_or_is_refused(alice: User, number: int) -> None:
    session = granted(alice, extension_limit=1, extension_by=HOUR, maximum_duration=HOUR)
    age(session, HOUR / 2)
    PrivilegedSession.objects.filter(pk=session.pk).update(end_at=timezone.now())
    outcomes = at_once([lambda: extend(alice, fresh(session)), reconcile])
    assert refusals(outcomes) == 1  # End was reached when they began
    assert status_of(session) == Status.COMPLETE


def test_workers_at_once_give_each_right_once(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = []
    for number in range(8):
        resource = builders.make_resource(f"web-{number}")
        builders.make_policy(f"On {number}", users=[alice], resources=[resource])
        sessions.append(ask(alice, resource=resource.name))
    calls: list[int] = []
    give = PracticeConnector.grant

    def counting(self: PracticeConnector, grant: Any, say: Any) -> None:
        calls.append(grant.session_id)
        give(self, grant, say)

    monkeypatch.setattr(PracticeConnector, "grant", counting)
    at_once([reconcile] * 4)
    assert sorted(calls) == sorted(session.pk for session in sessions)
    for session in sessions:
        assert status_of(session) == Status.AVAILABLE
        assert session.lease == ""
        assert LogEntry.objects.of_target(session).filter(verb=Verb.SESSION_AVAILABLE).count() == 1


def test_a_slow_call_keeps_the_lease_alive(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = builders.make_session(alice, Status.PROVISIONING)
    monkeypatch.setattr(lease, "SLOW", 0.05)
    assert lease.claim(session.pk, "me", timezone.now() - dt.timedelta(seconds=59))
    with lease.renewed_lease(session.pk, "me"):
        [renewal] = [thread for thread in threading.enumerate() if thread.name == f"lease-{session.pk}"]
        assert renewal.daemon, "or a worker that was stopped would go on until the host answers"
        time.sleep(1.5)
        session.refresh_from_db()
        assert session.lease_until is not None
        assert session.lease_until > timezone.now() + dt.timedelta(seconds=50)
        assert not lease.claim(session.pk, "other", timezone.now())
    lease.release(session.pk, "me")
    assert lease.claim(session.pk, "other", timezone.now())


def test_a_lock_is_confirmed_while_somebody_terminates(
    alice: User, admin: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = granted(alice)
    lock(admin, session, title="Stop")
    locked, held = threading.Event(), threading.Event()
    really_lock = PracticeConnector.lock

    def slow(self: PracticeConnector, *args: Any) -> None:
        really_lock(self, *args)
        locked.set()
        assert held.wait(10)

    def terminate_meanwhile() -> None:
        assert locked.wait(10)
        with transaction.atomic():
            lock_session_row(fresh(session))
            held.set()
            time.sleep(0.3)  # the worker comes to confirm the lock, and waits
            terminate(admin, session)

    monkeypatch.setattr(PracticeConnector, "lock", slow)
    at_once([reconcile, terminate_meanwhile])
    assert [one.dropped_at is None for one in session.controls.order_by("pk")] == [False, True]
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


def test_a_session_ended_while_its_rights_are_given_loses_them_again(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    given, ended = threading.Event(), threading.Event()
    give = PracticeConnector.grant

    def slow(self: PracticeConnector, *args: Any) -> None:
        give(self, *args)
        given.set()
        assert ended.wait(10)

    def end_meanwhile() -> None:
        assert given.wait(10)
        end(alice, fresh(session))
        assert reconcile() == 0  # another worker keeps off while the first one is at it
        ended.set()

    monkeypatch.setattr(PracticeConnector, "grant", slow)
    at_once([reconcile, end_meanwhile])
    assert status_of(session) == Status.COMPLETE
    assert practice.grants() == []


def test_a_lock_asked_for_while_the_unlock_is_enforced_is_in_force_in_the_end(
    alice: User, admin: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = granted(alice)
    lock(admin, session, title="First")
    reconcile()
    unlocking, locked_again = threading.Event(), threading.Event()
    free = PracticeConnector.unlock

    def slow(self: PracticeConnector, *args: Any) -> None:
        unlocking.set()
        assert locked_again.wait(10)
        free(self, *args)

    def lock_again() -> None:
        assert unlocking.wait(10)
        lock(admin, fresh(session), title="Second")
        locked_again.set()

    monkeypatch.setattr(PracticeConnector, "unlock", slow)
    unlock(admin, fresh(session))
    at_once([reconcile, lock_again])
    reconcile()
    [(_, state)] = practice.grants()
    assert state["locked"]["title"] == "Second"
    assert [control.state for control in session.controls.order_by("pk")] == ["enforced", "enforced", "enforced"]
    assert status_of(session) == Status.LOCKED
