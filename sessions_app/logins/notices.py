"""Notices about logins from new devices, for people who could not be mailed."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet

from sessions_app.logins.models import LoginSession, NewDeviceNotice

MOST_SHOWN = 5


def shown_to(person: AbstractBaseUser, current: LoginSession | None) -> QuerySet[NewDeviceNotice]:
    """Return the notices that the person sees, newest first.

    None in a login from the device that a notice is about: whoever it is about must not be able to take it away.
    """
    notices = NewDeviceNotice.objects.filter(user_id=person.pk, is_shown=True, seen_at=None)
    if current is not None:
        notices = notices.exclude(login=current.pk)
        if current.known_device_id is not None:
            notices = notices.exclude(login__known_device=current.known_device_id)
    return notices.select_related("login").order_by("-login")
