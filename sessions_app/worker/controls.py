"""Enforces what the console asked for: lock, unlock, cut. What is enforced is confirmed; what fails stays open."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import transaction

from activity.models import Level
from activity.verbs import Verb
from sessions_app.catalogue.connectors import ConnectorError
from sessions_app.gateway.flows import enforced
from sessions_app.privileged.flows.permission import held
from sessions_app.privileged.models import ControlKind, ControlRequest
from sessions_app.worker import retry
from sessions_app.worker.lease import kept
from sessions_app.worker.step import Visit


def enforce(visit: Visit) -> None:
    """Do every open request that is due, oldest first; note each as enforced, or when it is tried again."""
    for request in visit.session.controls.filter(enforced_at=None, dropped_at=None).order_by("pk"):
        if request.next_attempt_at is None or request.next_attempt_at <= visit.now():
            _enforce(visit, request)


def _enforce(visit: Visit, request: ControlRequest) -> None:
    try:
        connector = visit.connector()
        calls: Mapping[str, Callable[[], None]] = {
            ControlKind.LOCK: lambda: connector.lock(visit.grant_to_tell(), request.title, request.message, visit.say),
            ControlKind.UNLOCK: lambda: connector.unlock(visit.grant(), visit.say),
            ControlKind.DISCONNECT: lambda: connector.disconnect(visit.grant(), visit.say),
            ControlKind.EXTEND: lambda: connector.extend(visit.grant(), visit.say),
        }
        with kept(visit.session.pk, visit.owner):
            calls[request.kind]()
    except ConnectorError as error:
        _failed(visit, request, error)
        return
    with transaction.atomic():
        held(visit.session.pk)  # first, as in every flow: else this and a flow would wait for each other crosswise
        # A newer request may have superseded this one meanwhile. It was carried out all the same.
        if enforced.by_host(request, visit.session, visit.now()):
            visit.set(next_monitor_at=None)


def _failed(visit: Visit, request: ControlRequest, error: ConnectorError) -> None:
    text = str(error)[:300]
    attempts = request.attempts + 1
    wait = retry.pause(attempts)
    if retry.is_worth_saying(attempts, text, request.last_error):
        visit.record(
            Verb.CONNECTOR_STEP,
            f"{request.get_kind_display()} is not in force: {text} Tried {attempts} "
            f"time{'' if attempts == 1 else 's'}, again in {wait.seconds + 1} s.",
            Level.ERROR if error.permanent else Level.WARNING,
        )
    ControlRequest.objects.filter(pk=request.pk).update(
        attempts=attempts, next_attempt_at=visit.now() + wait, last_error=text
    )
