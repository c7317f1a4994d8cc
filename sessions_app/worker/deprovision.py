"""Takes every right away again, for ever if it must be; only then a session is over."""

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
from sessions_app.worker.lease import kept
from sessions_app.worker.step import Visit

VERBS = {
    Status.COMPLETE: Verb.SESSION_COMPLETED,
    Status.CANCELED: Verb.SESSION_CANCELED,
    Status.FAILED: Verb.SESSION_FAILED,
}


def clean(visit: Visit) -> None:
    """Cut connections if that was asked for, revoke, and note the end. A failure is tried again for ever."""
    session = visit.session
    controls.enforce(visit)
    if session.next_attempt_at is not None and session.next_attempt_at > visit.now():
        return
    try:
        connector = visit.connector()
        with kept(session.pk, visit.owner):
            connector.revoke(visit.grant(), visit.say)
    except ConnectorError as error:
        visit.failed(error, "Rights could not be taken away")
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
        control.drop(session, *ControlKind)
        enforced.over(session, visit.now())
