"""Terminate cuts live connections at once, and by default cancels the session."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from sessions_app.errors import Forbidden, Refused
from sessions_app.hosts.connectors import practice
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders
from tests.support.scene import granted, logged_in, messages_of


def is_logged_on(session: PrivilegedSession) -> bool:
    return any(state["logged_on"] for _, state in practice.grants() if state["session"] == session.pk)


def test_terminate_cuts_and_cancels(alice: User, admin: User) -> None:
    session = logged_in(alice)
    terminate(admin, session)
    assert session.status == Status.CANCELING
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.CANCELED
    assert session.controls.get().state == "enforced"
    assert practice.grants() == []


def test_terminate_without_cancel_cuts_and_the_session_goes_on(alice: User, admin: User) -> None:
    session = logged_in(alice)
    terminate(admin, session, cancel=False)
    assert session.status == Status.LOGGED_IN
    reconcile()
    session.refresh_from_db()
    assert not is_logged_on(session)
    assert session.status == Status.AVAILABLE
    assert "All connections are cut on web-1" in messages_of(session)
    practice.log_on(session.pk)


def test_a_cut_does_not_drop_a_lock_that_is_still_to_be_enforced(alice: User, admin: User) -> None:
    session = logged_in(alice)
    lock(admin, session, title="Wait")
    terminate(admin, session, cancel=False)
    reconcile()
    assert [control.state for control in session.controls.all()] == ["enforced", "enforced"]
    session.refresh_from_db()
    assert session.status == Status.LOCKED
    assert not is_logged_on(session)


def test_the_rights_go_although_the_cut_was_refused(alice: User, admin: User) -> None:
    session = logged_in(alice)
    practice.set_state("web-1", practice.UNREACHABLE)
    terminate(admin, session)
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.CANCELING
    assert "cannot be reached" in session.last_error
    practice.set_state("web-1", "")
    PrivilegedSession.objects.filter(pk=session.pk).update(next_attempt_at=None)
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.CANCELED
    assert practice.grants() == []
    assert not session.controls.filter(enforced_at=None, dropped_at=None).exists()


def test_only_administrators_terminate(alice: User, auditor: User) -> None:
    session = granted(alice)
    for somebody in (alice, auditor):
        with pytest.raises(Forbidden):
            terminate(somebody, session)
    assert not session.controls.exists()


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROVISIONING, Status.CANCELING, Status.COMPLETE])
def test_there_must_be_something_to_cut(alice: User, admin: User, status: Status) -> None:
    session = builders.make_session(alice, status)
    with pytest.raises(Refused):
        terminate(admin, session)
    assert not session.controls.exists()
