"""Take all rights of a session away from its host. Only then is the session over."""

from __future__ import annotations

from django.db import transaction

from activity.models import Level
from activity.verbs import Verb
from sessions_app.catalogue.connectors import ConnectorError
from sessions_app.gateway.flows import enforced
from sessions_app.privileged import lifecycle
from sessions_app.privileged.flows import control
from sessions_app.privileged.models import ControlKind, Status
from sessions_app.worker import controls
from sessions_app.worker.lease import renewed_lease
from sessions_app.worker.step import StepContext

VERBS = {
    Status.COMPLETE: Verb.SESSION_COMPLETED,
    Status.CANCELED: Verb.SESSION_CANCELED,
    Status.FAILED: Verb.SESSION_FAILED,
}


def take_rights_away(context: StepContext) -> None:
    """Disconnect if that was asked for, revoke the rights, and note the end of the session.

    A failure is tried again until it succeeds, without a limit.
    """
    session = context.session
    controls.enforce(context)
    if session.next_attempt_at is not None and session.next_attempt_at > context.now():
        return
    try:
        connector = context.connector()
        with renewed_lease(session.pk, context.owner):
            connector.revoke(context.grant(), context.say)
    except ConnectorError as error:
        context.failed(error, "Rights could not be taken away")
        return
    ends_as = Status(session.ends_as)
    with transaction.atomic():
        lifecycle.transition(
            session,
            ends_as,
            VERBS[ends_as],
            f"All rights are taken away; the session is {ends_as.label.lower()}",
            level=Level.ERROR if ends_as == Status.FAILED else Level.INFO,
        )
        control.drop_requests(session, *ControlKind)
        enforced.end_on_host(session, context.now())
