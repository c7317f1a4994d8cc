"""Lock and unlock: of one session, of a resource, of a whole account; requested here, confirmed by the worker."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_app.catalogue.connectors import PermanentError
from sessions_app.catalogue.flows.resource import lock_resource, unlock_resource
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.errors import Forbidden, Refused
from sessions_app.hosts.connectors import practice
from sessions_app.logins.models import EndReason
from sessions_app.people.models import AccountLock
from sessions_app.privileged.flows.account import lock_account, unlock_account
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import ControlRequest, PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders
from tests.support.scene import ask, granted, logged_in, messages_of


def states(session: PrivilegedSession) -> list[tuple[str, str]]:
    return [(control.kind, control.state) for control in session.controls.order_by("pk")]


def test_a_lock_is_requested_and_then_enforced_on_the_resource(alice: User, admin: User) -> None:
    session = granted(alice)
    lock(admin, session, title="Please wait", message="We look into something")
    assert (session.status, session.lock_title) == (Status.LOCKED, "Please wait")
    assert states(session) == [("lock", "requested")]
    practice.log_on(session.pk)  # not yet in force
    practice.log_off(session.pk)
    reconcile()
    assert states(session) == [("lock", "enforced")]
    with pytest.raises(PermanentError, match="Please wait"):
        practice.log_on(session.pk)
    assert "The lock is in force on web-1" in messages_of(session)


@pytest.mark.parametrize("is_there", [True, False])
def test_unlock_brings_back_what_is_true_then(alice: User, admin: User, is_there: bool) -> None:
    session = logged_in(alice)
    lock(admin, session, title="Wait")
    reconcile()
    if not is_there:
        practice.log_off(session.pk)
        PrivilegedSession.objects.filter(pk=session.pk).update(next_monitor_at=None)
        reconcile()
    session.refresh_from_db()
    assert session.status == Status.LOCKED
    unlock(admin, session)
    assert session.status == (Status.LOGGED_IN if is_there else Status.AVAILABLE)
    assert (session.lock_title, session.lock_message) == ("", "")
    reconcile()
    practice.log_on(session.pk)
    assert states(session) == [("lock", "enforced"), ("unlock", "enforced")]


def test_an_unlock_drops_a_lock_that_was_not_enforced_yet(alice: User, admin: User) -> None:
    session = granted(alice)
    lock(admin, session, title="Wait")
    unlock(admin, session)
    assert states(session) == [("lock", "dropped"), ("unlock", "requested")]
    reconcile()
    assert states(session) == [("lock", "dropped"), ("unlock", "enforced")]


def test_a_lock_that_cannot_be_enforced_stays_open_and_says_why(alice: User, admin: User) -> None:
    session = granted(alice)
    practice.set_state("web-1", practice.UNREACHABLE)
    lock(admin, session, title="Wait")
    reconcile()
    control = ControlRequest.objects.get()
    assert (control.state, control.attempts) == ("requested", 1)
    assert "cannot be reached" in control.last_error
    assert control.next_attempt_at is not None
    practice.set_state("web-1", "")
    reconcile(now=timezone.now() + dt.timedelta(seconds=5))
    assert states(session) == [("lock", "enforced")]


def test_only_administrators_lock_and_unlock(alice: User, auditor: User, admin: User) -> None:
    session = granted(alice)
    for somebody in (alice, auditor):
        with pytest.raises(Forbidden):
            lock(somebody, session, title="x")
    lock(admin, session, title="x")
    for somebody in (alice, auditor):
        with pytest.raises(Forbidden):
            unlock(somebody, session)
    session.refresh_from_db()
    assert session.status == Status.LOCKED


def test_a_lock_needs_a_title(alice: User, admin: User) -> None:
    session = granted(alice)
    with pytest.raises(Refused) as refused:
        lock(admin, session, title=" ")
    assert refused.value.field == "title"
    assert not session.controls.exists()


def test_what_is_locked_already_says_so(alice: User, admin: User) -> None:
    session = granted(alice)
    seen_before = PrivilegedSession.objects.get(pk=session.pk)
    lock(admin, session, title="x")
    with pytest.raises(Refused, match="locked already"):
        lock(admin, seen_before, title="y")
    assert states(session) == [("lock", "requested")]


def test_a_lock_can_close_the_resource_and_a_resource_that_is_closed_stays_closed(alice: User, admin: User) -> None:
    session = granted(alice)
    lock(admin, session, title="Incident", forbid_resource=True)
    other = granted_on_other(alice)
    lock(admin, other, title="Incident 2", forbid_resource=True)
    assert ResourceLock.objects.in_force().count() == 2
    with pytest.raises(Refused, match="Incident"):
        ask(alice)
    with pytest.raises(Refused, match="closed to new sessions already"):
        lock_resource(admin, session.resource, title="Again")
    unlock_resource(admin, session.resource)
    with pytest.raises(Refused, match="open to new sessions already"):
        unlock_resource(admin, session.resource)
    assert not ResourceLock.objects.in_force().filter(resource=session.resource).exists()


def granted_on_other(user: User) -> PrivilegedSession:
    return granted(user, resource="web-2")


def test_a_lock_can_lock_the_whole_account(alice: User, admin: User) -> None:
    first, second = granted(alice), granted(alice, resource="web-2")
    login = builders.make_login(alice)
    lock(admin, first, title="Stolen laptop", message="Call us", lock_account=True)
    second.refresh_from_db()
    login.refresh_from_db()
    assert (first.status, second.status) == (Status.LOCKED, Status.LOCKED)
    assert (login.end_reason, login.ended_by) == (EndReason.LOCKED, admin)
    reconcile()
    assert states(first) == states(second) == [("lock", "enforced")]
    with pytest.raises(Refused, match="whole account"):
        unlock(admin, second)


def test_unlocking_the_account_frees_what_it_froze_and_nothing_else(alice: User, admin: User) -> None:
    by_itself, with_account = granted(alice), granted(alice, resource="web-2")
    lock(admin, by_itself, title="Suspicious")
    lock_account(admin, alice, title="Holiday")
    with pytest.raises(Refused, match="whole account"):
        unlock(admin, by_itself)
    unlock_account(admin, alice)
    by_itself.refresh_from_db()
    with_account.refresh_from_db()
    assert (by_itself.status, with_account.status) == (Status.LOCKED, Status.AVAILABLE)
    assert not AccountLock.objects.in_force().exists()
    unlock(admin, by_itself)
    assert by_itself.status == Status.AVAILABLE


def test_a_session_that_is_being_provisioned_when_its_account_is_locked_never_becomes_available(
    alice: User, admin: User
) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    lock_account(admin, alice, title="Gone")
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.CANCELED
    assert practice.grants() == []


def test_nobody_locks_or_unlocks_their_own_account(admin: User) -> None:
    with pytest.raises(Refused, match="another administrator"):
        lock_account(admin, admin, title="x")
    with pytest.raises(Refused, match="not locked"):
        unlock_account(admin, admin)
    assert not AccountLock.objects.exists()


def test_an_account_is_locked_once(alice: User, admin: User, auditor: User) -> None:
    lock_account(admin, alice, title="First")
    with pytest.raises(Refused, match="locked already: First"):
        lock_account(admin, alice, title="Second")
    for somebody in (alice, auditor):
        with pytest.raises(Forbidden):
            unlock_account(somebody, alice)
    assert AccountLock.objects.get().title == "First"
