"""What a flow asks of whoever enforces on the resource (the worker), and the way into `canceling`.

Lock, unlock and cut are requested here and confirmed by the enforcer.
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


def ask(
    session: PrivilegedSession,
    kind: ControlKind,
    *,
    actor: AbstractUser | None,
    title: str = "",
    message: str = "",
) -> ControlRequest:
    """Ask the enforcers for `kind`. It supersedes older ones that it takes the place of: see replaced_by()."""
    drop(session, *replaced_by(kind))
    request = ControlRequest.objects.create(
        session=session, kind=kind, title=title, message=message, requested_by_id=actor.pk if actor else None
    )
    older = session.controls.filter(kind__in=replaced_by(kind), superseded_by=None, pk__lt=request.pk)
    older.update(superseded_by=request)
    change_notify.notify_gateways()
    return request


def replaced_by(kind: str) -> tuple[ControlKind, ...]:
    """Return the kinds that a request of `kind` takes the place of: lock and unlock each other's, else its own."""
    return FREEZING if kind in FREEZING else (ControlKind(kind),)


def drop(session: PrivilegedSession, *kinds: ControlKind) -> None:
    """Nobody needs to carry out open requests of these kinds any more."""
    session.controls.filter(kind__in=kinds, enforced_at=None, dropped_at=None).update(dropped_at=timezone.now())


def take_away(
    session: PrivilegedSession,
    ends_as: Status,
    message: str,
    *,
    actor: AbstractUser | None = None,
    verb: Verb = Verb.SESSION_CANCELING,
    level: Level = Level.INFO,
    **changes: Any,
) -> None:
    """Move a session that may hold rights to `canceling`; the worker takes them away and then it becomes `ends_as`.

    Raises LifecycleError as transition() does.
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
        drop(session, *FREEZING, ControlKind.EXTEND)
