"""Send one marked test message to a destination, and say what happened."""

from __future__ import annotations

import secrets

from django.contrib.auth.models import AbstractUser

from activity import log
from activity.models import Level, Outcome
from activity.verbs import Verb
from sessions_app.siem import message as messages
from sessions_app.siem.errors import DeliveryError
from sessions_app.siem.models import Destination, Transport
from sessions_app.siem.outlet import Outlet

SEEN = {
    Transport.TLS: "The receiver has it in its memory, and kept the connection open.",
    Transport.TCP: "The receiver has it in its memory, and kept the connection open.",
    Transport.UDP: "Nobody knows whether it arrived: UDP has no answer. Look at the receiver.",
    Transport.WEBHOOK: "The receiver answered that it has it.",
}


def send_trial(actor: AbstractUser, destination: Destination) -> tuple[bool, str]:
    """Send a test message through a connection of its own. Return whether that worked, and a sentence for the person.

    This takes some seconds at most. The delivery goes on as it was.
    """
    token = secrets.token_hex(4)
    try:
        outlet = Outlet(destination)
        try:
            outlet.send([messages.trial(actor.get_username(), token)])
        finally:
            outlet.close()
    except DeliveryError as error:
        text = f"The test message could not be delivered: {error}"
        _record(actor, destination, text, Level.WARNING, Outcome.FAILURE)
        return False, text
    text = f"The test message {token} was sent. {SEEN[Transport(destination.transport)]}"
    _record(actor, destination, f"Test message {token} sent to {destination}", Level.INFO, Outcome.SUCCESS)
    return True, text


def _record(actor: AbstractUser, destination: Destination, text: str, level: Level, outcome: Outcome) -> None:
    log.record(Verb.SIEM_TESTED, text, actor=actor, target=destination, level=level, outcome=outcome)
