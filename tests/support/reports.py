"""Data for the reports: past sessions, and a scene in which no report is empty."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from activity import log
from activity.verbs import Verb
from sessions_app.privileged.models import Approval, PrivilegedSession, Status
from tests.support import builders


def make_past(user: User, days: float = 1, **values: Any) -> PrivilegedSession:
    """Create a session that began so many days ago and lasted an hour."""
    start = timezone.now() - dt.timedelta(days=days)
    end = start + dt.timedelta(hours=1)
    times = {"start_at": start, "end_at": end, "ended_at": end, "duration": end - start, "requested_at": start}
    return builders.make_session(user, Status.COMPLETE, **(times | values))


def fill_reports(user: User, approver: User, name: str = "web-1") -> None:
    """Make a row for each report, about `user` and a host of that name. Another account is disabled for it."""
    host, unused = builders.make_resource(name), builders.make_resource(f"unused-{name}")
    builders.make_policy(f"Policy of {name}", users=[user], resources=[host, unused])
    session = make_past(user, resource=host, end_reason="Its end was reached", notes=name)
    Approval.objects.create(session=session, tier=1, approver=approver, is_approved=True, reason=name)
    log.record(Verb.LOGIN_FAILED, "A login failed", user=user)
    gone = builders.make_user(f"gone-{name}"[:150])
    gone.is_active = False
    gone.save()
    builders.make_key(gone)
