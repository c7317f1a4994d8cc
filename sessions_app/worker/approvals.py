"""End sessions whose approval cannot be had: nobody decided in time, or nobody is left who could decide."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from activity.models import Level
from activity.times_in_text import time_value
from activity.verbs import Verb
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows import mail
from sessions_app.privileged.flows.approvers import why_approval_cannot_be_had
from sessions_app.privileged.flows.permission import lock_session_row
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.worker.step import StepContext

LOOK_EVERY = dt.timedelta(seconds=60)  # between two checks of who is left to decide


def look(context: StepContext) -> None:
    """Fail the approval when it cannot be had any more, else check it again in a minute."""
    session = context.session
    with transaction.atomic():
        lock_session_row(session)
        if session.status != Status.WAITING:
            return
        if not session.user.is_active:
            _end(session, Status.CANCELED, Verb.SESSION_CANCELED, f"The account {session.user_name} is disabled.")
        elif reason := _why_failed(context):
            _end(session, Status.APPROVAL_FAILED, Verb.SESSION_APPROVAL_FAILED, reason)
            mail.tell_people(session, "Approval failed", reason)
        else:
            context.set(next_monitor_at=context.now() + LOOK_EVERY)


def _why_failed(context: StepContext) -> str:
    deadline = context.session.approval_deadline
    if deadline is not None and deadline <= context.now():
        return f"Nobody decided before {time_value(deadline)}."
    return why_approval_cannot_be_had(context.session)


def _end(session: PrivilegedSession, status: Status, verb: Verb, reason: str) -> None:
    lifecycle.transition(session, status, verb, reason, level=Level.WARNING, end_reason=reason[:300])
