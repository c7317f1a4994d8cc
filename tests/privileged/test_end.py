"""End takes the rights away in order; what has not begun is over at once."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_app.errors import Refused
from sessions_app.hosts.connectors import practice
from sessions_app.privileged.flows.end import end
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import Status
from sessions_app.worker import reconcile
from tests.support import builders
from tests.support.scene import ask, granted, logged_in, messages_of


def test_the_owner_ends_it_and_it_is_complete_when_everything_is_taken_away(alice: User) -> None:
    session = logged_in(alice)
    end(alice, session)
    assert session.status == Status.CANCELING
    assert practice.find_grant(session.pk) is not None
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.COMPLETE
    assert practice.grants() == []
    assert session.duration is not None
    assert messages_of(session)[-5:] == [
        "alice ended the session",
        "Cut the connections of alice-adm",
        "Took from alice-adm: sudo rule ALL",
        "alice-adm can no longer log in to web-1",
        "All rights are taken away; the session is complete",
    ]


def test_an_administrator_ends_it_and_it_is_canceled(alice: User, admin: User) -> None:
    session = granted(alice)
    end(admin, session)
    reconcile()
    session.refresh_from_db()
    assert (session.status, session.end_reason) == (Status.CANCELED, "admin ended the session")


def test_the_administrator_who_asked_for_an_application_completes_it(admin: User) -> None:
    principal = builders.make_application().principal
    builders.make_policy(users=[principal])
    session = ask(principal, actor=admin)
    reconcile()
    end(admin, session)
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.COMPLETE


@pytest.mark.parametrize(("who", "status"), [("alice", Status.COMPLETE), ("admin", Status.CANCELED)])
def test_what_has_not_begun_is_over_at_once(alice: User, admin: User, approver: User, who: str, status: Status) -> None:
    builders.make_policy(users=[alice])
    builders.make_policy(
        "Approved",
        users=[alice],
        resources=[builders.make_resource("web-2")],
        profile=builders.make_profile(tiers=[[approver]]),
    )
    scheduled = ask(alice, start_at=timezone.now() + dt.timedelta(hours=1))
    waiting = ask(alice, resource="web-2")
    for session in (scheduled, waiting):
        end({"alice": alice, "admin": admin}[who], session)
        session.refresh_from_db()
        assert session.status == status
        assert session.ended_at is not None


def test_a_session_ended_while_it_is_provisioned_leaves_nothing_behind(alice: User) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    end(alice, session)
    assert session.status == Status.CANCELING
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.COMPLETE
    assert practice.grants() == []


def test_strangers_and_auditors_end_nothing(alice: User, outsider: User, auditor: User) -> None:
    session = granted(alice)
    for somebody in (outsider, auditor):
        with pytest.raises(Refused):
            end(somebody, session)
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE


def test_the_owner_of_a_locked_session_cannot_end_it(alice: User, admin: User) -> None:
    session = granted(alice)
    lock(admin, session, title="Wait")
    with pytest.raises(Refused, match="administrator locked"):
        end(alice, session)
    end(admin, session)
    assert session.status == Status.CANCELING
    assert session.controls.get().state == "dropped"


@pytest.mark.parametrize("status", [Status.COMPLETE, Status.CANCELING])
def test_it_ends_once(alice: User, status: Status) -> None:
    session = builders.make_session(alice, status)
    with pytest.raises(Refused):
        end(alice, session)
