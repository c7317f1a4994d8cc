"""Pause the delivery to a destination, and resume it where it stopped."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.siem.models import DeliveryState, Destination


def pause(actor: AbstractUser, destination: Destination) -> bool:
    """Stop the delivery. Return False if it had been stopped already."""
    return _switch(actor, destination, is_active=False)


def resume(actor: AbstractUser, destination: Destination) -> bool:
    """Go on with the delivery, at once and from where it stopped. Return False if it was going on already."""
    return _switch(actor, destination, is_active=True)


@transaction.atomic
def _switch(actor: AbstractUser, destination: Destination, *, is_active: bool) -> bool:
    if not Destination.objects.filter(pk=destination.pk).exclude(is_active=is_active).update(is_active=is_active):
        return False
    DeliveryState.objects.filter(pk=destination.pk).update(attempts=0, next_attempt_at=None, silent_since=None)
    if is_active:
        log.record(Verb.SIEM_RESUMED, f"Resumed the delivery to {destination}", actor=actor, target=destination)
    else:
        text = f"Paused the delivery to {destination}"
        log.record(Verb.SIEM_PAUSED, text, actor=actor, target=destination, level=Level.WARNING)
    return True
