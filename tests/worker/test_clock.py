"""The console's clock was wrong and is put right: nothing waits for the time that the wrong one noted."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from activity import integrity
from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.hosts.models import HostWatch
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import ControlRequest, PrivilegedSession, Status
from sessions_app.worker import clock, lease, passes
from tests.support import builders
from tests.support.entries import make_entry

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)


def noted_by_a_clock_that_was_ahead(user: User) -> PrivilegedSession:
    later = timezone.now() + HOUR
    session = builders.make_session(
        user, Status.CANCELING, ends_as=Status.COMPLETE, next_attempt_at=later, next_monitor_at=later, last_error="x"
    )
    PrivilegedSession.objects.filter(pk=session.pk).update(lease="gone:1:aa", lease_until=later)
    return session


def test_what_was_to_be_done_in_an_hour_by_the_wrong_clock_is_done_when_a_worker_starts(alice: User) -> None:
    session = noted_by_a_clock_that_was_ahead(alice)
    ended = builders.make_session(alice, Status.COMPLETE, next_monitor_at=timezone.now() + HOUR)
    HostWatch.objects.create(resource=session.resource, began_at=timezone.now() + HOUR, ended_at=timezone.now())
    assert passes.due(timezone.now()) == []
    clock.ClockWatch().look()
    assert passes.due(timezone.now()) == [session.pk]
    assert HostWatch.objects.get().began_at is None
    assert PrivilegedSession.objects.get(pk=ended.pk).next_monitor_at is not None


def test_a_jump_of_the_clock_is_logged_and_everything_is_looked_at_anew(alice: User, admin: User) -> None:
    make_entry("of the clock that was ahead", timezone.now() + 3 * HOUR)
    wall = [1000.0, 1000.0]
    watch = clock.ClockWatch(clock.WallClock(lambda: wall[0], lambda: wall[1]))
    watch.look()
    session = builders.make_session(alice, next_monitor_at=timezone.now() + HOUR)
    lock(admin, session, title="Stop")
    ControlRequest.objects.update(next_attempt_at=timezone.now() + HOUR)
    PrivilegedSession.objects.filter(pk=session.pk).update(next_monitor_at=timezone.now() + HOUR)
    wall[:] = [1003.0, 1001.0]  # within what clocks drift
    watch.look()
    assert passes.due(timezone.now()) == []
    wall[:] = [1002.0 - 3600, 1002.0]
    watch.look()
    watch.look()
    shown_text = LogEntry.objects.get(verb=Verb.CLOCK_CHANGED)
    assert shown_text.message == "The console's clock was put back by 3,602 s"
    assert shown_text.level == Level.WARNING
    assert passes.due(timezone.now()) == [session.pk]
    assert ControlRequest.objects.get().next_attempt_at is None
    assert integrity.find_problems() == []  # what was written before is later, and that is no sign of anybody


def test_a_lease_of_a_worker_that_is_at_work_stands(alice: User) -> None:
    session = builders.make_session(alice)
    assert lease.claim(session.pk, "one:1:aa", timezone.now())
    assert not lease.claim(session.pk, "two:2:bb", timezone.now())


def test_a_look_that_began_in_the_future_keeps_nobody_from_looking(alice: User) -> None:
    session = builders.make_session(alice)
    now = timezone.now()
    HostWatch.objects.create(resource=session.resource, began_at=now + HOUR, ended_at=now)
    assert HostWatch.objects.to_be_looked_at(now, dt.timedelta(seconds=30)).exists()
