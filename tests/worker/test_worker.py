"""The worker fails requests that nobody approves, goes on after an error in one session, and costs little when idle."""

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
from sessions_app.hosts.connectors import practice
from sessions_app.hosts.connectors.practice import PracticeConnector
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import provision, reconcile
from tests.support import builders
from tests.support.scene import HOUR, age, ask

MINUTE = dt.timedelta(minutes=1)


def status_of(session: PrivilegedSession) -> str:
    session.refresh_from_db()
    return session.status


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
    for _ in range(provision.PROVISION_ATTEMPTS + 1):
        age(session, 2 * MINUTE)
        reconcile()
    assert status_of(session) == Status.FAILED
    assert practice.grants() == []


@pytest.mark.parametrize("last_error", ["", "web-1 cannot be reached"])
def test_what_was_interrupted_again_and_again_fails_with_what_is_known_of_it(alice: User, last_error: str) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    asked = PrivilegedSession.objects.filter(pk=session.pk)
    assert asked.update(attempts=provision.PROVISION_ATTEMPTS, last_error=last_error)
    reconcile()
    assert status_of(session) == Status.FAILED
    words = last_error or "interrupted again and again"
    assert LogEntry.objects.of_target(session).filter(message__contains=words).exists()


def test_run_worker_once_says_how_many_it_was_at_and_ends_expired_logins(alice: User) -> None:
    builders.make_policy(users=[alice])
    session = ask(alice)
    stale = builders.make_login(alice, last_access_at=timezone.now() - 3 * HOUR)
    out = io.StringIO()
    call_command("run_worker", "--once", stdout=out)
    assert out.getvalue() == "1 session handled.\n"
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
