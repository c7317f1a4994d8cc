"""The worker starts and provisions sessions, unless something stands against them by then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone

from activity.verbs import Verb
from sessions_app.catalogue.flows.resource import lock_resource
from sessions_app.catalogue.models import AccessPolicy, Resource
from sessions_app.hosts.connectors import practice
from sessions_app.hosts.connectors.practice import PracticeConnector
from sessions_app.privileged.flows.account import lock_account
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import provision, reconcile
from tests.support import builders
from tests.support.scene import HOUR, age, ask, granted, messages_of, verbs_of

MINUTE = dt.timedelta(minutes=1)


def status_of(session: PrivilegedSession) -> str:
    session.refresh_from_db()
    return session.status


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
    for _ in range(provision.PROVISION_ATTEMPTS):
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
