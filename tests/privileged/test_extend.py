"""Extend moves End later, as often as the connection profile allows."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_app.errors import Forbidden, Refused
from sessions_app.privileged.flows.extend import extend
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support.scene import HOUR, age, granted

HALF = dt.timedelta(minutes=30)


def test_owner_and_administrator_extend_up_to_the_limit(alice: User, admin: User) -> None:
    session = granted(alice, extension_limit=2, extension_by=HALF)
    first_end = session.end_at
    assert first_end is not None
    extend(alice, session)
    extend(admin, session)
    session.refresh_from_db()
    assert (session.end_at, session.extensions) == (first_end + 2 * HALF, 2)
    with pytest.raises(Refused, match="2 times"):
        extend(alice, session)


def test_the_new_end_is_announced_again_and_counts(alice: User) -> None:
    session = granted(alice, extension_limit=1, extension_by=HOUR, maximum_duration=HOUR)
    PrivilegedSession.objects.filter(pk=session.pk).update(end_notice_sent=True)
    extend(alice, session)
    session.refresh_from_db()
    assert session.end_notice_sent is False
    age(session, dt.timedelta(minutes=90))
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE
    age(session, dt.timedelta(minutes=31))
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.COMPLETE


def test_a_profile_may_allow_no_extension(alice: User) -> None:
    with pytest.raises(Refused, match="allows no extension"):
        extend(alice, granted(alice, extension_limit=0))


def test_strangers_and_auditors_extend_nothing(alice: User, outsider: User, auditor: User) -> None:
    session = granted(alice, extension_limit=1)
    with pytest.raises(Refused):
        extend(outsider, session)
    with pytest.raises(Forbidden):
        extend(auditor, session)
    session.refresh_from_db()
    assert session.extensions == 0


def test_what_reached_its_end_is_not_brought_back(alice: User) -> None:
    session = granted(alice, extension_limit=1)
    now = timezone.now()
    PrivilegedSession.objects.filter(pk=session.pk).update(start_at=now - HOUR, end_at=now)
    with pytest.raises(Refused, match="reached its end"):
        extend(alice, session)
