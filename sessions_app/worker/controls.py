"""Enforce on hosts what people asked for: lock, unlock, disconnect, extend.

What a host has done is confirmed. A request that fails stays open and is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import transaction

from activity.models import Level, Outcome
from activity.verbs import Verb
from sessions_app.catalogue.connectors import ConnectorError
from sessions_app.gateway.flows import enforced
from sessions_app.privileged.flows.permission import locked_session
from sessions_app.privileged.models import ControlKind, ControlRequest
from sessions_app.worker import retry
from sessions_app.worker.lease import renewed_lease
from sessions_app.worker.step import StepContext


def enforce(context: StepContext) -> None:
    """Carry out every open request that is due, the oldest first, and note its result.

    A request that fails gets the time of its next attempt.
    """
    for request in context.session.controls.filter(enforced_at=None, dropped_at=None).order_by("pk"):
        if request.next_attempt_at is None or request.next_attempt_at <= context.now():
            _enforce(context, request)


def _enforce(context: StepContext, request: ControlRequest) -> None:
    try:
        connector = context.connector()
        calls: Mapping[str, Callable[[], str | None]] = {
            ControlKind.LOCK: lambda: connector.lock(
                context.grant_to_tell(), request.title, request.message, context.say
            ),
            ControlKind.UNLOCK: lambda: connector.unlock(context.grant(), context.say),
            ControlKind.DISCONNECT: lambda: connector.disconnect(context.grant(), context.say),
            ControlKind.EXTEND: lambda: connector.extend(context.grant(), context.say),
        }
        with renewed_lease(context.session.pk, context.owner):
            remarks = calls[request.kind]() or ""
    except ConnectorError as error:
        _failed(context, request, error)
        return
    with transaction.atomic():
        locked_session(
            context.session.pk
        )  # locked first, as in every flow: in another order this and a flow could deadlock
        # A newer request may have superseded this one meanwhile. It was carried out all the same.
        if enforced.by_host(request, context.session, context.now(), remarks):
            context.set(next_monitor_at=None)


def _failed(context: StepContext, request: ControlRequest, error: ConnectorError) -> None:
    text = str(error)[:300]
    attempts = request.attempts + 1
    wait = retry.pause(attempts)
    if retry.is_worth_logging(attempts, text, request.last_error):
        context.record(
            Verb.CONNECTOR_STEP,
            f"{request.get_kind_display()} is not in force: {text} Tried {attempts} "
            f"time{'' if attempts == 1 else 's'}, again in {wait.seconds + 1} s.",
            Level.ERROR if error.permanent else Level.WARNING,
            Outcome.FAILURE,
        )
    ControlRequest.objects.filter(pk=request.pk).update(
        attempts=attempts, next_attempt_at=context.now() + wait, last_error=text
    )
