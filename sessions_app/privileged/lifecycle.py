"""The table of status transitions, and transition(), which alone writes the status of a privileged session.

A change is a compare-and-swap on the old status, in one transaction with its log entry. If somebody else was faster,
nothing is changed and Overtaken is raised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from activity import log
from activity.models import Level
from activity.times_in_text import time_value
from activity.verbs import Verb
from sessions_app import change_notify
from sessions_app.privileged.models import ENDED, HOLDS_GRANT, PrivilegedSession, Status

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.WAITING, Status.PROVISIONING, Status.COMPLETE, Status.CANCELED}),
    Status.WAITING: frozenset(
        {
            Status.PROVISIONING,
            Status.PENDING,
            Status.DENIED,
            Status.APPROVAL_FAILED,
            Status.COMPLETE,
            Status.CANCELED,
        }
    ),
    Status.PROVISIONING: frozenset({Status.AVAILABLE, Status.FAILED, Status.CANCELING}),
    Status.AVAILABLE: frozenset({Status.LOGGED_IN, Status.LOCKED, Status.CANCELING}),
    Status.LOGGED_IN: frozenset({Status.AVAILABLE, Status.LOCKED, Status.CANCELING}),
    Status.LOCKED: frozenset({Status.AVAILABLE, Status.LOGGED_IN, Status.CANCELING}),
    Status.CANCELING: frozenset({Status.COMPLETE, Status.CANCELED, Status.FAILED}),
    Status.COMPLETE: frozenset(),
    Status.CANCELED: frozenset(),
    Status.DENIED: frozenset(),
    Status.FAILED: frozenset(),
    Status.APPROVAL_FAILED: frozenset(),
}
FIRST_STATUSES = frozenset({Status.PENDING, Status.WAITING, Status.PROVISIONING})


class LifecycleError(Exception):
    """A change of status was not made. The text can be shown to the person."""


class NotAllowed(LifecycleError):
    """The table of transitions has no such change."""


class Overtaken(LifecycleError):
    """Somebody else has changed the session first, and this attempt has changed nothing."""


def create(
    session: PrivilegedSession,
    status: Status,
    message: str,
    *,
    actor: AbstractBaseUser,
    details: Mapping[str, Any] | None = None,
) -> PrivilegedSession:
    """Save a new session in its first status with its log entry, in one transaction.

    Raise NotAllowed if a session cannot begin with `status`.
    """
    if status not in FIRST_STATUSES:
        raise NotAllowed(f"A session cannot begin as {status.label}.")
    with transaction.atomic():
        session.status = status
        session.save(force_insert=True)
        session.login_account = session.activity.login_account(session.user_name, session.pk)
        session.save(update_fields=["login_account"])
        log.record(
            Verb.SESSION_REQUESTED,
            message,
            actor=actor,
            user=session.user,
            target=session,
            details={"to": status.value, **(details or {})},
        )
        if status == Status.PENDING:
            _record_schedule(session, actor)
    return session


def transition(
    session: PrivilegedSession,
    to: Status,
    verb: Verb,
    message: str,
    *,
    actor: AbstractBaseUser | None = None,
    level: Level = Level.INFO,
    details: Mapping[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Move `session` from the status it was read with to `to`, set `changes`, and write the log entry.

    1. Check the table of transitions. Raise NotAllowed.

    2. A final status also sets ended_at and the duration, and frees the worker's lease.

    3. Compare the old status in one UPDATE. Raise Overtaken if it changed no row.

    4. Write the log entry in the same transaction, and set the new values on the instance.

    5. Notify the gateways if the session may have connections.
    """
    old = Status(session.status)
    if to not in TRANSITIONS[old]:
        raise NotAllowed(f"A session that is {old.label} cannot become {to.label}.")
    values: dict[str, Any] = {"status": to, "attempts": 0, "next_attempt_at": None, "last_error": "", **changes}
    if to in ENDED:
        values |= _end_values(session)
    with transaction.atomic():
        _set(session, old, values)
        log.record(
            verb,
            message,
            actor=actor,
            user=session.user,
            target=session,
            level=level,
            details={"from": old.value, "to": to.value, **(details or {})},
        )
        if to == Status.PENDING:
            _record_schedule(session, actor)
        if old in HOLDS_GRANT or to in HOLDS_GRANT:
            change_notify.notify_gateways()


def _set(session: PrivilegedSession, old: Status, values: Mapping[str, Any]) -> None:
    """Write `values` to the row and the instance. Raise Overtaken if the row no longer has the status `old`."""
    if not PrivilegedSession.objects.filter(pk=session.pk, status=old).update(**values):
        raise Overtaken(
            "Somebody else changed this session at the same moment. Nothing was changed by you. "
            "Look at its status and try again."
        )
    for name, value in values.items():
        setattr(session, name, value)


def _record_schedule(session: PrivilegedSession, actor: AbstractBaseUser | None) -> None:
    """Write the log entry of a session that waits for its time, if it has one."""
    if session.scheduled_for is not None:
        log.record(
            Verb.SESSION_SCHEDULED,
            f"The session begins at {time_value(session.scheduled_for)}",
            actor=actor,
            user=session.user,
            target=session,
            details={"start_at": session.scheduled_for.isoformat()},
        )


def adopt(sessions: Sequence[tuple[PrivilegedSession, Status]]) -> list[PrivilegedSession]:
    """Save sessions in the statuses they are in, for sample data and imports.

    Only the database checks them, and nothing is logged: the caller writes the log entries.
    """
    for session, status in sessions:
        session.status = status
    with transaction.atomic():
        adopted = PrivilegedSession.objects.bulk_create([session for session, _ in sessions], batch_size=500)
        for session in adopted:
            session.login_account = session.activity.login_account(session.user_name, session.pk)
        PrivilegedSession.objects.bulk_update(adopted, ["login_account"], batch_size=500)
    return adopted


def _end_values(session: PrivilegedSession) -> dict[str, Any]:
    now = timezone.now()
    # Nobody works on a session that is over. The worker may have died before it released the lease.
    lease = {"lease": "", "lease_until": None}
    return {**lease, "ended_at": now, "duration": now - session.start_at if session.start_at else None}
