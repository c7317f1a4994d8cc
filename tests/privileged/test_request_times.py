"""Requests are compared with other sessions by their times, when they are made and when they begin."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_app.catalogue.models import AccountKind
from sessions_app.errors import Refused
from sessions_app.privileged.flows.request import request_sessions
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker.passes import reconcile
from tests.support import builders, pages

AsUser = Callable[[User], Client]
HOUR = dt.timedelta(hours=1)
WIZARD = "/sessions/request/"


@pytest.fixture
def policy(alice: User, db: None) -> Any:
    return builders.make_policy(users=[alice], profile=builders.make_profile(maximum_duration=2 * HOUR))


def ask(user: User, in_hours: float = 0, activity: str = "Patch Linux") -> PrivilegedSession:
    """Request a session that begins in so many hours; at once for 0."""
    start = timezone.now() + dt.timedelta(hours=in_hours) if in_hours else None
    [session] = request_sessions(
        user,
        user=user,
        activity=builders.make_activity(activity),
        resources=[builders.make_resource()],
        start_at=start,
    )
    return session


def test_a_session_next_week_stops_none_today(alice: User, policy: Any) -> None:
    later = ask(alice, 7 * 24)
    assert ask(alice).status == Status.PROVISIONING
    with pytest.raises(Refused, match=rf"You already have session {later.pk} \(from .* until .* UTC\)"):
        ask(alice, 7 * 24 + 1)
    assert ask(alice, 7 * 24 + 3).status == Status.PENDING


def test_a_session_may_begin_when_the_open_one_has_ended(alice: User, policy: Any) -> None:
    session = builders.make_session(alice, Status.AVAILABLE)  # ends in an hour
    for hours in (0, 0.5):
        with pytest.raises(Refused, match=rf"You already have session {session.pk} \(until "):
            ask(alice, hours)
    assert ask(alice, 1.1).status == Status.PENDING


def test_a_request_without_a_start_has_its_whole_time_to_be_approved(alice: User, policy: Any) -> None:
    waiting = builders.make_session(alice, Status.WAITING, maximum_duration=2 * HOUR)  # decided within an hour
    with pytest.raises(Refused, match=rf"session {waiting.pk} \(it waits for approval\)"):
        ask(alice, 2.5)
    assert ask(alice, 4).status == Status.PENDING


def test_what_is_being_ended_is_in_the_way_only_now(alice: User, policy: Any) -> None:
    builders.make_session(alice, Status.CANCELING)
    with pytest.raises(Refused, match="its rights are being taken away"):
        ask(alice)
    assert ask(alice, 0.1).status == Status.PENDING


def test_an_account_is_taken_for_the_time_of_the_other_session_only(alice: User, outsider: User) -> None:
    shared: dict[str, Any] = {"login_account_template": "patcher", "kind": AccountKind.MANAGED}
    activities = [builders.make_activity(name, **shared) for name in ("Patch Linux", "Read logs")]
    host = builders.make_resource("web-1", connector="ssh")
    profile = builders.make_profile(maximum_duration=2 * HOUR)
    builders.make_policy(users=[alice, outsider], activities=activities, resources=[host], profile=profile)
    ask(outsider, 24)
    with pytest.raises(Refused, match=r"account patcher on web-1 is open for another session \(from ") as refused:
        ask(alice, 25, "Read logs")
    assert refused.value.field == "start_at"
    assert ask(alice, 27, "Read logs").status == Status.PENDING


def test_a_session_that_was_extended_into_the_next_one_cancels_it_with_the_reason(alice: User, policy: Any) -> None:
    now = timezone.now()
    first = builders.make_session(alice, Status.AVAILABLE, end_at=now + 3 * HOUR)
    second = builders.make_session(alice, Status.PENDING, profile=first.profile, scheduled_for=now + HOUR)
    reconcile(now + HOUR + dt.timedelta(seconds=1))
    second.refresh_from_db()
    assert second.status == Status.CANCELED
    assert second.end_reason.startswith(f"alice already has session {first.pk} (until ")


def test_a_session_waits_until_the_one_before_it_is_gone(alice: User, policy: Any) -> None:
    now = timezone.now()
    first = builders.make_session(
        alice, Status.CANCELING, next_attempt_at=now + HOUR, start_at=now - HOUR, end_at=now, ends_as=Status.COMPLETE
    )
    second = builders.make_session(alice, Status.PENDING, profile=first.profile, scheduled_for=now)
    asked = builders.make_session(alice, Status.PROVISIONING, profile=first.profile, resource=first.resource)
    PrivilegedSession.objects.filter(pk=asked.pk).update(status=Status.CANCELED, ended_at=now)
    for seconds in (1, 10):
        reconcile(now + dt.timedelta(seconds=seconds))
        second.refresh_from_db()
        assert second.status == Status.PENDING
    reconcile(now + 2 * HOUR)
    first.refresh_from_db()
    assert first.status == Status.COMPLETE
    reconcile(now + 2 * HOUR + dt.timedelta(minutes=1))
    second.refresh_from_db()
    assert second.status == Status.AVAILABLE


def test_of_two_that_begin_at_once_the_older_one_goes_on(alice: User, policy: Any) -> None:
    first = builders.make_session(alice, Status.PROVISIONING)
    second = builders.make_session(alice, Status.PROVISIONING, profile=first.profile)
    reconcile()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (Status.AVAILABLE, Status.CANCELED)


def test_the_step_resources_names_the_session_that_is_in_the_way(as_user: AsUser, alice: User, policy: Any) -> None:
    session = builders.make_session(alice, Status.AVAILABLE)
    client = as_user(alice)
    activity: dict[str, Any] = {"activity": session.activity_id}
    page = pages.elements(client.get(WIZARD, activity | {"step": "resources"}))
    [choice] = page.findall(".//label[@class='choice']")
    assert f"You already have session {session.pk} (until " in pages.text(choice)
    assert pages.attribute(choice.find(".//a"), "href") == f"/sessions/{session.pk}/"
    chosen = activity | {"resources": session.resource_id}
    details = pages.elements(client.get(WIZARD, chosen))
    assert details.findall(f".//div[@class='problem']//a[@href='/sessions/{session.pk}/']")


def test_a_later_start_takes_the_warning_away(as_user: AsUser, alice: User, policy: Any) -> None:
    session = builders.make_session(alice, Status.AVAILABLE)
    start = f"{timezone.now() + 3 * HOUR:%Y-%m-%dT%H:%M}"
    sent = {"activity": session.activity_id, "resources": session.resource_id, "when": "later", "start_at": start}
    page = pages.elements(as_user(alice).post(WIZARD, sent | {"do": "review"}))
    assert page.find(".//button[@value='send']") is not None
    assert not page.findall(".//div[@class='problem']")
