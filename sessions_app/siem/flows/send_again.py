"""Send the log to a destination again, from an entry on that was sent before."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity import log
from activity.verbs import Verb
from sessions_app.errors import Refused
from sessions_app.siem.models import DeliveryState, Destination


@transaction.atomic
def send_again(actor: AbstractUser, destination: Destination, entry: int) -> None:
    """Move the cursor back before `entry`, and take the lease from the worker that sends. Raise Refused."""
    state = DeliveryState.objects.select_for_update(no_key=True).get(pk=destination.pk)
    if not 1 <= entry <= state.cursor:
        raise Refused(
            f"Entry {entry} was not sent to {destination} yet: the newest that was sent is {state.cursor}. "
            "Nothing was changed."
        )
    DeliveryState.objects.filter(pk=state.pk).update(
        cursor=entry - 1, confirmed=entry - 1, lease="", lease_until=None, attempts=0, next_attempt_at=None
    )
    log.record(
        Verb.SIEM_SENT_AGAIN,
        f"Sending the log to {destination} again, from entry {entry} on",
        actor=actor,
        target=destination,
        details={"from": entry, "cursor": state.cursor},
    )
