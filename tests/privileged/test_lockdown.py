"""Cut everything: one action leaves the person no login, no session and no account to come back with."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.errors import Forbidden, Refused
from sessions_app.hosts.connectors import practice
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.people.models import AccountLock
from sessions_app.privileged.flows import lockdown
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.lifecycle import Overtaken
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders
from tests.support.scene import ask, granted, logged_in


def everything_of(user: User, approver: User) -> list[PrivilegedSession]:
    """Create a session of the user in each state, and two logins."""
    builders.make_login(user)
    builders.make_login(user)
    for name in ("web-3", "web-4", "web-5"):
        tiers = [[approver]] if name == "web-4" else []
        builders.make_policy(
            f"On {name}",
            users=[user],
            resources=[builders.make_resource(name)],
            profile=builders.make_profile(f"On {name}", tiers=tiers),
        )
    return [
        granted(user),
        logged_in(user, resource="web-2"),
        ask(user, resource="web-3", start_at=timezone.now() + dt.timedelta(hours=1)),
        ask(user, resource="web-4"),
        ask(user, resource="web-5"),
    ]


def test_nothing_is_left_and_every_line_says_what_was_done(alice: User, admin: User, approver: User) -> None:
    sessions = everything_of(alice, approver)
    lines = lockdown.lock_down(admin, alice, reason="Contract ended")
    assert all(line.ok for line in lines)
    assert [line.text for line in lines] == [
        "Locked the account; nobody can log in to it.",
        "Logged out of 2 browsers.",
        "Patch Linux on web-1 for alice: terminated, its rights are being taken away.",
        "Patch Linux on web-2 for alice: terminated, its rights are being taken away.",
        "Patch Linux on web-3 for alice: canceled.",
        "Patch Linux on web-4 for alice: canceled.",
        "Patch Linux on web-5 for alice: its rights were being taken away already.",
    ]
    assert not LoginSession.objects.live().filter(user=alice).exists()
    assert set(LoginSession.objects.values_list("end_reason", flat=True)) == {EndReason.LOCKED}
    assert AccountLock.objects.in_force().get(user=alice).title == "Contract ended"
    reconcile()
    for session in sessions:
        session.refresh_from_db()
        assert session.status == Status.CANCELED
    assert practice.grants() == []
    entry = LogEntry.objects.get(verb=Verb.ACCOUNT_CUT)
    assert (entry.actor, entry.user, len(entry.details["lines"])) == (admin, alice, 7)


def test_an_account_that_is_locked_already_is_cut_all_the_same(alice: User, admin: User) -> None:
    session = granted(alice)
    lock_account(admin, alice, title="Before")
    lines = lockdown.lock_down(admin, alice)
    assert lines[0] == lockdown.LockdownStep(True, "The account was locked already.")
    session.refresh_from_db()
    assert session.status == Status.CANCELING


def test_cutting_twice_does_no_harm(alice: User, admin: User) -> None:
    granted(alice)
    lockdown.lock_down(admin, alice)
    lines = lockdown.lock_down(admin, alice)
    assert all(line.ok for line in lines)


def test_one_session_that_refuses_does_not_keep_the_others_alive(
    alice: User, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn, other = granted(alice), granted(alice, resource="web-2")

    def refusing(actor: User, session: PrivilegedSession, **options: bool) -> None:
        if session.pk == stubborn.pk:
            raise Overtaken("Somebody else changed this session.")
        terminate(actor, session, **options)

    monkeypatch.setattr(lockdown, "terminate", refusing)
    lines = lockdown.lock_down(admin, alice)
    assert [line.ok for line in lines] == [True, True, False, True]
    assert "Somebody else changed" in lines[2].text
    other.refresh_from_db()
    assert other.status == Status.CANCELING


def test_nobody_cuts_themself_and_only_administrators_cut(alice: User, admin: User, auditor: User) -> None:
    with pytest.raises(Refused, match="another administrator"):
        lockdown.lock_down(admin, admin)
    for somebody in (alice, auditor):
        with pytest.raises(Forbidden):
            lockdown.lock_down(somebody, admin)
    assert not AccountLock.objects.exists()
