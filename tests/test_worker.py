"""The worker moves what is due, tries again what failed for now, and leaves nothing behind."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.connectors import practice
from sessions_app.connectors.practice import PracticeConnector
from sessions_app.flows.account import lock_account
from sessions_app.flows.lock import lock
from sessions_app.flows.resource import lock_resource
from sessions_app.models import AccessPolicy, PrivilegedSession, Resource, Status
from sessions_app.worker import begin, reconcile, retry
from tests import builders
from tests.scene import HOUR, age, ask, granted, logged_in, messages_of, verbs_of

MINUTE = dt.timedelta(minutes=1)


def status_of(session: PrivilegedSession) -> str:
    session.refresh_from_db()
    return session.status


def look_now(session: PrivilegedSession) -> None:
    """The profile's interval has passed."""
    PrivilegedSession.objects.filter(pk=session.pk).update(next_monitor_at=None)
    reconcile()
    session.refresh_from_db()


# Beginning


def test_provisioning_gives_the_rights_and_sets_start_and_end(alice: User) -> None:
    before = timezone.now()
    session = granted(alice, maximum_duration=HOUR)
    assert session.start_at is not None
    assert before <= session.start_at <= timezone.now()
    assert session.end_at == session.start_at + HOUR
    assert verbs_of(session) == [
        Verb.SESSION_REQUESTED,
        Verb.SESSION_PROVISIONING,
        Verb.CONNECTOR_STEP,
        Verb.CONNECTOR_STEP,
        Verb.SESSION_AVAILABLE,
    ]


def test_a_scheduled_session_starts_when_its_time_comes(alice: User) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice, start_at=timezone.now() + HOUR)
    assert reconcile() == 0
    assert status_of(session) == Status.PENDING
    age(session, HOUR)
    reconcile()
    assert status_of(session) == Status.AVAILABLE
    assert practice.find_grant(session.pk) is not None


def lose_policy(alice: User, admin: User) -> None:
    AccessPolicy.objects.update(is_active=False)


def lock_the_account(alice: User, admin: User) -> None:
    lock_account(admin, alice, title="Holiday")


def close_the_resource(alice: User, admin: User) -> None:
    lock_resource(admin, builders.make_resource(), title="Repair")


def disable_the_user(alice: User, admin: User) -> None:
    alice.is_active = False
    alice.save()


AGAINST_IT = [lose_policy, lock_the_account, close_the_resource, disable_the_user]


@pytest.mark.parametrize("happen", AGAINST_IT)
def test_a_scheduled_session_is_canceled_when_something_stands_against_it_by_then(
    alice: User, admin: User, happen: Callable[[User, User], None]
) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice, start_at=timezone.now() + HOUR)
    happen(alice, admin)
    age(session, HOUR)
    reconcile()
    assert status_of(session) == Status.CANCELED
    assert session.end_reason
    assert messages_of(session)[-1].startswith("Canceled instead of started")
    assert practice.grants() == []


@pytest.mark.parametrize("happen", AGAINST_IT)
def test_nothing_is_given_when_something_stands_against_it_after_the_request(
    alice: User, admin: User, happen: Callable[[User, User], None]
) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    happen(alice, admin)
    reconcile()
    assert status_of(session) == Status.CANCELED
    assert Verb.SESSION_AVAILABLE not in verbs_of(session)
    assert practice.grants() == []


@pytest.mark.parametrize("happen", AGAINST_IT)
def test_rights_given_while_something_comes_to_stand_against_it_are_taken_back(
    alice: User, admin: User, happen: Callable[[User, User], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    give = PracticeConnector.grant

    def slow(self: PracticeConnector, *args: Any) -> None:
        give(self, *args)
        happen(alice, admin)

    monkeypatch.setattr(PracticeConnector, "grant", slow)
    reconcile()
    assert status_of(session) == Status.CANCELED
    assert practice.grants() == []


def test_a_host_that_is_down_for_now_is_tried_again(alice: User) -> None:
    builders.make_policy(users=[alice])
    practice.set_state("web-1", practice.UNREACHABLE)
    session = ask(alice)
    reconcile()
    assert status_of(session) == Status.PROVISIONING
    assert (session.attempts, session.last_error) == (1, "web-1 cannot be reached.")
    assert session.next_attempt_at is not None
    assert reconcile() == 0  # not before the pause is over
    practice.set_state("web-1", "")
    age(session, MINUTE)
    reconcile()
    assert status_of(session) == Status.AVAILABLE
    assert (session.attempts, session.last_error) == (0, "")


def test_a_host_that_stays_down_fails_the_session_and_what_was_given_is_taken_back(alice: User) -> None:
    builders.make_policy(users=[alice])
    practice.set_state("web-1", practice.UNREACHABLE)
    session = ask(alice)
    for _ in range(begin.PROVISION_ATTEMPTS):
        age(session, 10 * MINUTE)
        reconcile()
    assert status_of(session) == Status.CANCELING  # the host cannot be asked to take anything back either
    assert session.ends_as == Status.FAILED
    practice.set_state("web-1", "")
    age(session, 10 * MINUTE)
    reconcile()
    assert status_of(session) == Status.FAILED
    assert "web-1 cannot be reached" in session.end_reason


def test_a_refusal_for_good_fails_at_once(alice: User, django_capture_on_commit_callbacks: Callable[..., Any]) -> None:
    builders.make_policy(users=[alice])
    practice.set_state("web-1", practice.BROKEN)
    session = ask(alice)
    with django_capture_on_commit_callbacks(execute=True):
        reconcile()
    assert status_of(session) == Status.CANCELING
    assert (session.ends_as, session.end_reason) == (
        Status.FAILED,
        "Provisioning failed: web-1 refuses every change.",
    )
    assert mail.outbox[-1].to == ["alice@example.com"]
    practice.set_state("web-1", "")
    age(session, 10 * MINUTE)
    reconcile()
    assert status_of(session) == Status.FAILED


def test_an_unknown_connector_fails_without_a_try(alice: User) -> None:
    builders.make_policy(users=[alice])
    Resource.objects.update(connector="telepathy")
    session = ask(alice)
    reconcile()
    assert status_of(session) == Status.FAILED
    assert "telepathy" in session.end_reason


# Approvals


def test_an_approval_nobody_gave_in_time_fails(
    alice: User, approver: User, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    builders.make_policy(users=[alice], profile=builders.make_profile(tiers=[[approver]]))
    session = ask(alice)
    reconcile()
    assert status_of(session) == Status.WAITING
    age(session, 25 * HOUR)
    with django_capture_on_commit_callbacks(execute=True):
        reconcile()
    assert status_of(session) == Status.APPROVAL_FAILED
    assert "Nobody decided before" in session.end_reason
    assert mail.outbox[-1].to == ["alice@example.com"]


@pytest.mark.parametrize("gone", ["disabled", "locked", "unnamed", "tier removed"])
def test_an_approval_that_nobody_is_left_to_give_fails(alice: User, approver: User, admin: User, gone: str) -> None:
    profile = builders.make_profile(tiers=[[approver]])
    builders.make_policy(users=[alice], profile=profile)
    session = ask(alice)
    if gone == "disabled":
        approver.is_active = False
        approver.save()
    elif gone == "locked":
        lock_account(admin, approver, title="x")
    elif gone == "unnamed":
        profile.tiers.get().users.clear()
    else:
        profile.tiers.all().delete()
    reconcile()
    assert status_of(session) == Status.APPROVAL_FAILED
    assert session.end_reason


# Watching


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


# Cleaning up


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


# Trouble


def test_trouble_with_one_session_is_said_and_does_not_stop_the_others(
    alice: User, outsider: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.make_policy(users=[alice, outsider])
    bad, good = ask(alice), ask(outsider)
    give = PracticeConnector.grant

    def faulty(self: PracticeConnector, grant: Any, say: Any) -> None:
        if grant.session_id == bad.pk:
            raise ZeroDivisionError("a secret that must not reach the log")
        give(self, grant, say)

    monkeypatch.setattr(PracticeConnector, "grant", faulty)
    reconcile()
    assert (status_of(bad), status_of(good)) == (Status.PROVISIONING, Status.AVAILABLE)
    problem = LogEntry.objects.of_target(bad).get(verb=Verb.WORKER_PROBLEM)
    assert problem.level == Level.ERROR
    assert "ZeroDivisionError" in problem.message
    assert "secret" not in problem.message
    assert bad.lease == ""
    monkeypatch.undo()
    age(bad, 2 * MINUTE)
    reconcile()
    assert status_of(bad) == Status.AVAILABLE


def test_a_connector_that_always_breaks_fails_in_the_end(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)

    def faulty(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(PracticeConnector, "grant", faulty)
    for _ in range(begin.PROVISION_ATTEMPTS + 1):
        age(session, 2 * MINUTE)
        reconcile()
    assert status_of(session) == Status.FAILED
    assert practice.grants() == []


# The command


def test_run_worker_once_says_how_many_it_was_at_and_ends_expired_logins(alice: User) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    stale = builders.make_login(alice, last_access_at=timezone.now() - 3 * HOUR)
    out = io.StringIO()
    call_command("run_worker", "--once", stdout=out)
    assert out.getvalue() == "1 session moved or looked at.\n"
    assert status_of(session) == Status.AVAILABLE
    stale.refresh_from_db()
    assert stale.end_reason == "expired"


def test_a_pass_with_nothing_to_do_costs_the_same_whatever_is_stored(alice: User) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert reconcile() == 0
        return len(queries)

    before = cost()
    for number in range(20):
        resource = builders.make_resource(f"host-{number}")
        builders.make_session(alice, Status.COMPLETE, resource=resource)
        builders.make_session(alice, Status.PENDING, resource=resource)
        builders.make_session(alice, Status.AVAILABLE, resource=resource, next_monitor_at=timezone.now() + HOUR)
    assert cost() == before
