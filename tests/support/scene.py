"""Short ways into a state through the real flows and the real worker, for tests that begin there."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User

from activity.models import LogEntry
from sessions_app.hosts.connectors import practice
from sessions_app.privileged.flows.request import request_sessions
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker import reconcile
from tests.support import builders

HOUR = dt.timedelta(hours=1)


def ask(user: User, *, resource: str = "web-1", actor: User | None = None, **values: Any) -> PrivilegedSession:
    """Ask for "Patch Linux" on one resource; a policy must give it."""
    [session] = request_sessions(
        actor or user,
        user=user,
        activity=builders.make_activity(),
        resources=[builders.make_resource(resource)],
        **values,
    )
    return session


def granted(user: User, *, resource: str = "web-1", **profile: Any) -> PrivilegedSession:
    """Return a session that the worker made available, with its rights on the practice host."""
    name = f"Work of {user.username} on {resource}"
    builders.make_policy(
        name,
        users=[user],
        resources=[builders.make_resource(resource)],
        profile=builders.make_profile(f"Profile: {name}", **profile),
    )
    session = ask(user, resource=resource)
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE
    assert practice.find_grant(session.pk) is not None
    return session


def logged_in(user: User, **values: Any) -> PrivilegedSession:
    """Return a session whose user is logged in to the practice host, as the worker has noticed."""
    session = granted(user, **values)
    practice.log_on(session.pk)
    PrivilegedSession.objects.filter(pk=session.pk).update(next_monitor_at=None)
    reconcile()
    session.refresh_from_db()
    assert session.status == Status.LOGGED_IN
    return session


def age(session: PrivilegedSession, by: dt.timedelta) -> None:
    """Let `by` pass for this one session: everything it waits for comes nearer."""
    session.refresh_from_db()
    names = ("scheduled_for", "start_at", "end_at", "approval_deadline", "next_attempt_at", "next_monitor_at")
    moved = {name: getattr(session, name) - by for name in names if getattr(session, name)}
    PrivilegedSession.objects.filter(pk=session.pk).update(**moved)
    session.refresh_from_db()


def messages_of(session: PrivilegedSession) -> list[str]:
    """Return the messages of the session's log, oldest first."""
    return list(LogEntry.objects.of_target(session).order_by("pk").values_list("message", flat=True))


def verbs_of(session: PrivilegedSession) -> list[str]:
    """Return the verbs of the session's log, oldest first."""
    return list(LogEntry.objects.of_target(session).order_by("pk").values_list("verb", flat=True))
