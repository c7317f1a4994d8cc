"""The worker watches sessions that hold rights, and takes every right away in the end, for ever if it must be."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User

from activity.verbs import Verb
from sessions_app.hosts.connectors import practice
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile, retry
from tests.support import builders
from tests.support.scene import HOUR, age, ask, granted, logged_in, messages_of, verbs_of

MINUTE = dt.timedelta(minutes=1)


def status_of(session: PrivilegedSession) -> str:
    session.refresh_from_db()
    return session.status


def look_now(session: PrivilegedSession) -> None:
    """Run a pass as if the profile's interval had passed."""
    PrivilegedSession.objects.filter(pk=session.pk).update(next_monitor_at=None)
    reconcile()
    session.refresh_from_db()


def test_the_status_follows_who_is_logged_on(alice: User) -> None:
    session = logged_in(alice)
    assert session.is_logged_on
    practice.log_off(session.pk)
    look_now(session)
    assert (session.status, session.is_logged_on) == (Status.AVAILABLE, False)
    assert verbs_of(session)[-2:] == [Verb.SESSION_LOGGED_IN, Verb.SESSION_LOGGED_OFF]


def test_the_resource_is_asked_once_an_interval(alice: User) -> None:
    session = granted(alice, logon_monitor_interval=30)
    practice.log_on(session.pk)
    assert reconcile() == 0
    age(session, dt.timedelta(seconds=31))
    reconcile()
    assert status_of(session) == Status.LOGGED_IN


def test_a_host_that_cannot_be_asked_is_said_once_and_when_it_answers_again(alice: User) -> None:
    session = granted(alice)
    practice.set_state("web-1", practice.UNREACHABLE)
    look_now(session)
    look_now(session)
    assert session.status == Status.AVAILABLE
    practice.set_state("web-1", "")
    look_now(session)
    assert messages_of(session)[-2:] == ["Cannot see who is logged on: web-1 cannot be reached.", "web-1 answers again"]


def test_the_end_is_announced_once_on_the_resource(alice: User) -> None:
    session = logged_in(alice, maximum_duration=HOUR, end_notice=10 * MINUTE)
    age(session, 49 * MINUTE)
    reconcile()
    assert not practice.grants()[0][1]["notices"]
    age(session, 2 * MINUTE)
    reconcile()
    look_now(session)
    assert len(practice.grants()[0][1]["notices"]) == 1
    assert verbs_of(session).count(Verb.SESSION_END_NOTICE) == 1


def test_the_look_comes_in_time_for_the_announcement(alice: User) -> None:
    session = granted(alice, maximum_duration=HOUR, end_notice=10 * MINUTE, logon_monitor_interval=4 * 3600)
    assert session.end_at is not None
    assert session.next_monitor_at == session.end_at - 10 * MINUTE


def test_a_session_is_over_at_its_end(alice: User) -> None:
    session = granted(alice, maximum_duration=HOUR)
    age(session, HOUR)
    reconcile()
    assert status_of(session) == Status.COMPLETE
    assert practice.grants() == []


def test_a_locked_session_is_over_at_its_end_too(alice: User, admin: User) -> None:
    session = granted(alice, maximum_duration=HOUR)
    lock(admin, session, title="Wait")
    age(session, HOUR)
    reconcile()
    assert status_of(session) == Status.COMPLETE
    assert session.controls.get().state == "dropped"
    assert practice.grants() == []


def test_a_disabled_user_loses_every_session(alice: User, approver: User) -> None:
    builders.make_policy(
        "Approved",
        users=[alice],
        resources=[builders.make_resource("web-2")],
        profile=builders.make_profile(tiers=[[approver]]),
    )
    sessions = [granted(alice), ask(alice, resource="web-2")]
    alice.is_active = False
    alice.save()
    reconcile()
    assert [status_of(session) for session in sessions] == [Status.CANCELED, Status.CANCELED]
    assert practice.grants() == []


def test_a_host_that_cannot_be_reached_keeps_the_session_canceling_for_ever(alice: User) -> None:
    session = granted(alice)
    practice.set_state("web-1", practice.UNREACHABLE)
    age(session, 3 * HOUR)
    for _ in range(20):
        reconcile()
        age(session, 10 * MINUTE)
    assert status_of(session) == Status.CANCELING
    assert session.attempts == 20
    assert session.last_error == "web-1 cannot be reached."
    said = [text for text in messages_of(session) if text.startswith("Rights could not be taken away")]
    assert len(said) == 5  # the 1st, 2nd, 4th, 8th and 16th failure
    practice.set_state("web-1", practice.BROKEN)  # for good or for now, rights are never left there
    reconcile()
    assert status_of(session) == Status.CANCELING
    practice.set_state("web-1", "")
    age(session, 10 * MINUTE)
    reconcile()
    assert status_of(session) == Status.COMPLETE
    assert practice.grants() == []


def test_pauses_double_up_to_five_minutes() -> None:
    for attempts, seconds in [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (10_000, 300)]:
        for _ in range(20):
            assert 0.8 * seconds <= retry.pause(attempts).total_seconds() <= 1.2 * seconds
