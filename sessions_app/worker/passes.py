"""One pass of the worker: find the sessions that are due, claim each, and do the step that its status needs."""

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
from sessions_app.worker import approvals, deprovision, lease, lockdowns, monitor, provision, retry
from sessions_app.worker.scheduler import Due
from sessions_app.worker.step import Clock, StepContext

logger = logging.getLogger(__name__)

BATCH = 500  # sessions in one pass; the next pass takes the rest
MOST_STEPS = 6  # a session needs four from scheduled to ended; more at once means that somebody else changes it too

STEPS: Mapping[str, Callable[[StepContext], None]] = {
    Status.PENDING: provision.start_scheduled,
    Status.WAITING: approvals.look,
    Status.PROVISIONING: provision.provision,
    Status.AVAILABLE: monitor.look,
    Status.LOGGED_IN: monitor.look,
    Status.LOCKED: monitor.look,
    Status.CANCELING: deprovision.take_rights_away,
}


def reconcile(now: dt.datetime | None = None, owner: str = "") -> int:
    """Make one pass over everything that is due. Return how many sessions were handled.

    `now` fixes the time of the whole pass; without it each step takes the current time. The pass also finishes accepted
    disconnections, and ends login sessions that are expired or outside the hours of a login rule.
    """
    clock: Clock = timezone.now if now is None else lambda: now
    owner = owner or lease.new_owner()
    lockdowns.finish(clock())
    visited = sum(handle(pk, owner, clock) for pk in due(clock()))
    service.end_expired()
    service.end_outside_hours()
    return visited


def due(now: dt.datetime) -> list[int]:
    """Return the ids of sessions that need a step now and that no worker holds."""
    return [one.pk for one in due_with_resources(now)]


def due_with_resources(now: dt.datetime) -> list[Due]:
    """Return the sessions of due() with their resources, for a worker that handles many sessions at the same time."""
    is_due_for_check = Q(next_monitor_at=None) | Q(next_monitor_at__lte=now)
    holds_rights = Q(status__in=sorted(HOLDS_GRANT))
    open_controls = ControlRequest.objects.filter(
        Q(next_attempt_at=None) | Q(next_attempt_at__lte=now), session=OuterRef("pk"), enforced_at=None, dropped_at=None
    )
    is_over = Q(end_at__lte=now)
    is_disabled = Q(user__in=get_user_model().objects.filter(is_active=False).values("pk"))
    not_waiting_for_retry = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    needs_a_step = (
        Q(status=Status.PENDING) & (Q(scheduled_for__lte=now) | is_disabled)
        | Q(status=Status.WAITING) & (is_due_for_check | Q(approval_deadline__lte=now) | is_disabled)
        | Q(status__in=[Status.PROVISIONING, Status.CANCELING])
        | holds_rights & (is_due_for_check | is_over | is_disabled | loses_its_right() | Exists(open_controls))
    )
    # The filter on ended_at uses an index that holds the few open sessions in one place, and the sessions are sorted
    # here. Otherwise SQLite reads all sessions that ever existed (140 ms instead of 3 ms with 200,000 ended ones).
    sessions = PrivilegedSession.objects.filter(not_waiting_for_retry, lease.free(now), ended_at=None)
    sessions = sessions.filter(needs_a_step)
    found = sessions.order_by().values_list("pk", "resource_id", "last_error")[:BATCH]
    return [Due(pk, resource_id, bool(error)) for pk, resource_id, error in sorted(found)]


def handle(pk: int, owner: str, now: Clock) -> bool:
    """Handle one session until nothing is left to do. Return False when another worker holds it.

    The lease is released at the end. It is kept, and expires, when the process dies or the failure cannot be written. A
    `finally` would release it then too.
    """
    if not lease.claim(pk, owner, now()):
        return False
    context = StepContext(_read(pk), owner, now)
    try:
        _do_steps(context)
    except Exception as error:
        logger.exception("Session %s: a step failed unexpectedly", pk)
        if not _note_trouble(context, error):
            return True
    lease.release(pk, owner)
    return True


def _do_steps(context: StepContext) -> None:
    """Do one step after the other until the status stays the same.

    If somebody else changes the status in the meantime, their change stays, and the next step follows from it.
    """
    for _ in range(MOST_STEPS):
        before = context.session.status
        step = STEPS.get(before)
        if step is None:
            return
        try:
            step(context)
        except Overtaken:
            context.session = _read(context.session.pk)
        if context.session.status == before:
            return


def _read(pk: int) -> PrivilegedSession:
    return PrivilegedSession.objects.select_related(*RELATED).get(pk=pk)


def _note_trouble(context: StepContext, error: Exception) -> bool:
    """Record an unexpected error in the session's log, and store when the step is tried again.

    Return False if even that cannot be written; then the lease stays until it runs out.
    """
    try:
        session = context.session = _read(context.session.pk)
        wait = retry.pause(min(session.attempts + 3, 7))  # 4 s to about a minute
        context.record(
            Verb.WORKER_PROBLEM,
            f"A step failed unexpectedly ({type(error).__name__}). It is tried again in {wait.seconds + 1} s; "
            "the worker's own log says more.",
            Level.ERROR,
        )
        context.set(
            attempts=session.attempts + (session.status != Status.PROVISIONING), next_attempt_at=context.now() + wait
        )
    except (DatabaseError, InterfaceError):
        logger.exception("Session %s: its failure could not be written to the database either", context.session.pk)
        return False
    return True
