"""A session's status follows the table in the design, one writer wins, and the database refuses impossible rows."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from activity import log
from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.privileged import lifecycle
from sessions_app.privileged.models import ENDED, PrivilegedSession, Status
from tests.support import builders

# The table of docs/lifecycle.md, written out again on purpose.
TABLE = {
    "pending": {"waiting_for_approval", "provisioning", "complete", "canceled"},
    "waiting_for_approval": {"provisioning", "pending", "denied", "approval_failed", "complete", "canceled"},
    "provisioning": {"available", "failed", "canceling"},
    "available": {"logged_in", "locked", "canceling"},
    "logged_in": {"available", "locked", "canceling"},
    "locked": {"available", "logged_in", "canceling"},
    "canceling": {"complete", "canceled", "failed"},
    "complete": set(),
    "canceled": set(),
    "denied": set(),
    "failed": set(),
    "approval_failed": set(),
}
PAIRS = [(old, new) for old in TABLE for new in TABLE]


def needs(status: str) -> dict[str, Any]:
    """Return the values that the database requires for a row in this status."""
    now = timezone.now()
    if status == "pending":
        return {"scheduled_for": now + dt.timedelta(hours=1)}
    if status == "waiting_for_approval":
        return {"current_tier": 1, "approval_deadline": now + dt.timedelta(hours=1)}
    if status in ("available", "logged_in", "locked"):
        return {"start_at": now, "end_at": now + dt.timedelta(hours=1)}
    return {"ends_as": Status.COMPLETE} if status == "canceling" else {}


def test_the_table_names_every_status() -> None:
    assert set(TABLE) == set(Status.values)


@pytest.mark.parametrize(("old", "new"), [pair for pair in PAIRS if pair[1] in TABLE[pair[0]]])
def test_a_change_in_the_table_is_made_and_logged(alice: User, old: str, new: str) -> None:
    session = builders.make_session(alice, Status(old))
    lifecycle.transition(session, Status(new), Verb.SESSION_PROVISIONING, "moved", actor=alice, **needs(new))
    stored = PrivilegedSession.objects.get(pk=session.pk)
    assert stored.status == new
    assert session.status == new
    assert (stored.ended_at is not None) == (Status(new) in ENDED)
    entry, *more = LogEntry.objects.of_target(session).order_by("pk")
    assert (entry.details["from"], entry.details["to"], entry.actor) == (old, new, alice)
    assert [one.verb for one in more] == ([Verb.SESSION_SCHEDULED] if new == Status.PENDING else [])


@pytest.mark.parametrize(("old", "new"), [pair for pair in PAIRS if pair[1] not in TABLE[pair[0]]])
def test_a_change_that_is_not_in_the_table_changes_nothing(alice: User, old: str, new: str) -> None:
    session = builders.make_session(alice, Status(old))
    with pytest.raises(lifecycle.NotAllowed):
        lifecycle.transition(session, Status(new), Verb.SESSION_PROVISIONING, "moved", **needs(new))
    assert PrivilegedSession.objects.get(pk=session.pk).status == old
    assert not LogEntry.objects.of_target(session).exists()


def test_who_comes_second_is_told_and_changes_nothing(alice: User) -> None:
    session = builders.make_session(alice, Status.AVAILABLE)
    other = PrivilegedSession.objects.get(pk=session.pk)
    lifecycle.transition(session, Status.LOCKED, Verb.SESSION_LOCKED, "first")
    with pytest.raises(lifecycle.Overtaken, match="Nothing was changed by you"):
        lifecycle.transition(other, Status.CANCELING, Verb.SESSION_CANCELING, "second", ends_as=Status.CANCELED)
    assert other.status == Status.AVAILABLE
    assert PrivilegedSession.objects.get(pk=session.pk).status == Status.LOCKED
    assert [entry.message for entry in LogEntry.objects.of_target(session)] == ["first"]


def test_a_change_and_its_log_entry_happen_both_or_not_at_all(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = builders.make_session(alice, Status.AVAILABLE)

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the log is full")

    monkeypatch.setattr(log, "record", broken)
    with pytest.raises(RuntimeError, match="the log is full"):
        lifecycle.transition(session, Status.LOCKED, Verb.SESSION_LOCKED, "x")
    assert PrivilegedSession.objects.get(pk=session.pk).status == Status.AVAILABLE


def test_the_end_sets_the_time_and_the_duration(alice: User) -> None:
    start = timezone.now() - dt.timedelta(minutes=30)
    session = builders.make_session(
        alice, Status.CANCELING, start_at=start, end_at=start + dt.timedelta(hours=1), ends_as=Status.COMPLETE
    )
    lifecycle.transition(session, Status.COMPLETE, Verb.SESSION_COMPLETED, "over")
    session.refresh_from_db()
    assert session.ended_at is not None
    assert session.duration == session.ended_at - start
    assert dt.timedelta(minutes=30) <= session.duration < dt.timedelta(minutes=31)


def test_a_session_that_never_started_has_no_duration(alice: User) -> None:
    session = builders.make_session(alice, Status.PENDING)
    lifecycle.transition(session, Status.CANCELED, Verb.SESSION_CANCELED, "over")
    session.refresh_from_db()
    assert session.duration is None


@pytest.mark.parametrize("status", sorted(set(Status.values) - {"pending", "waiting_for_approval", "provisioning"}))
def test_a_session_cannot_begin_in_the_middle(alice: User, status: str) -> None:
    like = builders.make_session(alice, Status.PROVISIONING)
    like.pk = None
    with pytest.raises(lifecycle.NotAllowed):
        lifecycle.create(like, Status(status), "x", actor=alice)
    assert PrivilegedSession.objects.count() == 1


@pytest.mark.parametrize(
    ("status", "values"),
    [
        (Status.AVAILABLE, {"status": "sleeping"}),
        (Status.AVAILABLE, {"start_at": None}),
        (Status.LOCKED, {"end_at": None}),
        (Status.AVAILABLE, {"end_at": dt.datetime(2000, 1, 1, tzinfo=dt.UTC)}),
        (Status.COMPLETE, {"ended_at": None}),
        (Status.AVAILABLE, {"ended_at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC)}),
        (Status.PENDING, {"scheduled_for": None}),
        (Status.WAITING, {"current_tier": 0}),
        (Status.WAITING, {"approval_deadline": None}),
        (Status.CANCELING, {"ends_as": ""}),
        (Status.CANCELING, {"ends_as": "available"}),
    ],
)
def test_the_database_refuses_a_row_that_cannot_be(alice: User, status: Status, values: dict[str, Any]) -> None:
    session = builders.make_session(alice, status)
    with pytest.raises(IntegrityError), transaction.atomic():
        PrivilegedSession.objects.filter(pk=session.pk).update(**values)
