"""Name and forget a device of one's own. Both are logged."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from activity import log
from activity.retries import retry_while_unavailable
from activity.verbs import Verb
from sessions_app.devices.models import NAME_LENGTH, Device
from sessions_app.errors import Forbidden, Refused
from sessions_app.permission import clean_text


@retry_while_unavailable
def name_device(actor: AbstractUser, device: Device, *, name: str) -> None:
    """Give the device a name, such as "work laptop"; an empty one takes the name away.

    Raise Refused if the name is too long or another device has it, and Forbidden unless it is one's own device.
    """
    _require_own(actor, device)
    name = clean_text(name, "name", NAME_LENGTH)
    if name == device.name:
        return
    with transaction.atomic():
        others = Device.objects.filter(user_id=actor.pk, name=name).exclude(pk=device.pk)
        if name and others.exists():
            raise Refused("Another device of yours has this name.", field="name")
        was = str(device)
        if not Device.objects.filter(pk=device.pk).update(name=name):
            raise Refused("This device was forgotten meanwhile.")
        device.name = name
        log.record(Verb.DEVICE_NAMED, f"{actor.get_username()} named a device “{device}”, before “{was}”", actor=actor)


@retry_while_unavailable
def forget_device(actor: AbstractUser, device: Device) -> None:
    """Forget a device, so that its next login counts as one from a new device. Its logins go on.

    Raise Refused if it is forgotten already, and Forbidden unless it is one's own device.
    """
    _require_own(actor, device)
    with transaction.atomic():
        _, by_model = Device.objects.filter(pk=device.pk).delete()
        if not by_model:
            raise Refused("This device was forgotten already.")
        log.record(Verb.DEVICE_FORGOTTEN, f"{actor.get_username()} forgot the device “{device}”", actor=actor)


def _require_own(actor: AbstractUser, device: Device) -> None:
    if device.user_id != actor.pk:
        raise Forbidden("People name and forget their own devices.")
