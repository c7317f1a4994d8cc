"""One pass: find what is due, claim each session, do what its status asks for."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping

from django.contrib.auth import get_user_model
from django.db import DatabaseError, InterfaceError
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from activity.models import Level
from activity.verbs import Verb
from sessions_app.logins import service
from sessions_app.privileged.flows.permission import RELATED
from sessions_app.privileged.lifecycle import Overtaken
from sessions_app.privileged.models import HOLDS_GRANT, ControlRequest, PrivilegedSession, Status
from sessions_app.privileged.rights import loses_its_right
from sessions_app.worker import approvals, cuts, deprovision, lease, monitor, provision, retry
from sessions_app.worker.scheduler import Due
from sessions_app.worker.step import Clock, Visit

logger = logging.getLogger(__name__)

BATCH = 500  # sessions in one pass; the next one takes the rest
MOST_STEPS = 6  # from scheduled to gone are four; more in one visit is somebody else changing it under our hands

STEPS: Mapping[str, Callable[[Visit], None]] = {
    Status.PENDING: provision.start_scheduled,
    Status.WAITING: approvals.look,
    Status.PROVISIONING: provision.provision,
    Status.AVAILABLE: monitor.look,
    Status.LOGGED_IN: monitor.look,
    Status.LOCKED: monitor.look,
    Status.CANCELING: deprovision.clean,
}


def reconcile(now: dt.datetime | None = None, owner: str = "") -> int:
    """One pass over everything that is due at `now` (default: each moment as it comes); how many sessions it was at.

    Also finishes accepted cuts, and ends login sessions that have expired.
    """
    clock: Clock = timezone.now if now is None else lambda: now
    owner = owner or lease.new_owner()
    cuts.finish(clock())
    visited = sum(visit(pk, owner, clock) for pk in due(clock()))
    service.end_expired()
    return visited


def due(now: dt.datetime) -> list[int]:
    """Ids of the sessions that ask for a step now and that nobody is at."""
    return [one.pk for one in due_with_resources(now)]


def due_with_resources(now: dt.datetime) -> list[Due]:
    """The same with where they are, for a worker that is at many sessions at a time."""
    look = Q(next_monitor_at=None) | Q(next_monitor_at__lte=now)
    holding = Q(status__in=sorted(HOLDS_GRANT))
    asked = ControlRequest.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now), session=OuterRef("pk"), enforced_at=None, dropped_at=None
    )
    disabled = Q(user__in=get_user_model().objects.filter(is_active=False).values("pk"))
    quiet = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    wants = (
        Q(status=Status.PENDING) & (Q(scheduled_for__lte=now) | disabled)
        | Q(status=Status.WAITING) & (look | Q(approval_deadline__lte=now) | disabled)
        | Q(status__in=[Status.PROVISIONING, Status.CANCELING])
        | holding & (look | Q(end_at__lte=now) | disabled | loses_its_right() | Exists(asked))
    )
    # By ended_at, whose index has the few open sessions in one place, and not ordered by the database: else SQLite
    # walks over every session there ever was (measured: 140 ms against 3 ms with 200,000 ended ones).
    sessions = PrivilegedSession.objects.filter(quiet, lease.free(now), ended_at=None).filter(wants)
    found = sessions.order_by().values_list("pk", "resource_id", "last_error")[:BATCH]
    return [Due(pk, resource_id, bool(error)) for pk, resource_id, error in sorted(found)]


def visit(pk: int, owner: str, now: Clock) -> bool:
    """Be at one session, as long as there is something to do; False when somebody else is.

    The lease is given back unless this process dies, so nothing here may hide in a `finally`.
    """
    if not lease.claim(pk, owner, now()):
        return False
    here = Visit(_read(pk), owner, now)
    try:
        _do_steps(here)
    except Exception as error:
        logger.exception("Session %s: a step failed unexpectedly", pk)
        if not _note_trouble(here, error):
            return True
    lease.release(pk, owner)
    return True


def _do_steps(here: Visit) -> None:
    """One step after the other until the status stays as it is. Who overtakes us wins; we go on from there."""
    for _ in range(MOST_STEPS):
        before = here.session.status
        step = STEPS.get(before)
        if step is None:
            return
        try:
            step(here)
        except Overtaken:
            here.session = _read(here.session.pk)
        if here.session.status == before:
            return


def _read(pk: int) -> PrivilegedSession:
    return PrivilegedSession.objects.select_related(*RELATED).get(pk=pk)


def _note_trouble(here: Visit, error: Exception) -> bool:
    """Say it in the session's log and try again later; False when not even that works (the lease will run out)."""
    try:
        session = here.session = _read(here.session.pk)
        wait = retry.pause(min(session.attempts + 3, 7))  # 4 s to about a minute
        here.record(
            Verb.WORKER_PROBLEM,
            f"A step failed unexpectedly ({type(error).__name__}). It is tried again in {wait.seconds + 1} s; "
            "the worker's own log says more.",
            Level.ERROR,
        )
        here.set(attempts=session.attempts + (session.status != Status.PROVISIONING), next_attempt_at=here.now() + wait)
    except (DatabaseError, InterfaceError):
        logger.exception("Session %s: the failure could not be noted either", here.session.pk)
        return False
    return True
