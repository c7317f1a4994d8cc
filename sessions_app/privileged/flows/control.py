"""Requests to those who enforce on the resource (the worker and the gateways), and the start of cancelling.

Lock, unlock and cut are requested here, and the enforcer confirms them.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from activity.models import Level
from activity.verbs import Verb
from sessions_app import change_notify
from sessions_app.privileged import lifecycle
from sessions_app.privileged.models import ControlKind, ControlRequest, PrivilegedSession, Status

FREEZING = (ControlKind.LOCK, ControlKind.UNLOCK)


def request_control(
    session: PrivilegedSession,
    kind: ControlKind,
    *,
    actor: AbstractUser | None,
    title: str = "",
    message: str = "",
) -> ControlRequest:
    """Request `kind` from the enforcers. It supersedes the older requests that it replaces (see replaced_by())."""
    drop_requests(session, *replaced_by(kind))
    request = ControlRequest.objects.create(
        session=session, kind=kind, title=title, message=message, requested_by_id=actor.pk if actor else None
    )
    older = session.controls.filter(kind__in=replaced_by(kind), superseded_by=None, pk__lt=request.pk)
    older.update(superseded_by=request)
    change_notify.notify_gateways()
    return request


def replaced_by(kind: str) -> tuple[ControlKind, ...]:
    """Return the kinds that a request of `kind` replaces: lock and unlock replace both, others only their own kind."""
    return FREEZING if kind in FREEZING else (ControlKind(kind),)


def drop_requests(session: PrivilegedSession, *kinds: ControlKind) -> None:
    """Drop open requests of these kinds, so that nobody carries them out."""
    session.controls.filter(kind__in=kinds, enforced_at=None, dropped_at=None).update(dropped_at=timezone.now())


def start_canceling(
    session: PrivilegedSession,
    ends_as: Status,
    message: str,
    *,
    actor: AbstractUser | None = None,
    verb: Verb = Verb.SESSION_CANCELING,
    level: Level = Level.INFO,
    **changes: Any,
) -> None:
    """Move a session that may hold rights to `canceling`.

    The worker takes the rights away, and then the session becomes `ends_as`. Raise LifecycleError as transition() does.
    """
    with transaction.atomic():
        lifecycle.transition(
            session,
            Status.CANCELING,
            verb,
            message,
            actor=actor,
            level=level,
            details={"ends_as": ends_as.value},
            ends_as=ends_as,
            end_reason=message[:300],
            **changes,
        )
        drop_requests(session, *FREEZING, ControlKind.EXTEND)
