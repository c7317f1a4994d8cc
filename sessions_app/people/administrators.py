"""The administrators who can be told of something that cannot wait."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser

from sessions_app.people.models import AccountLock
from sessions_app.roles import ADMINISTER


def administrators() -> list[AbstractUser]:
    """Return everybody who administers the console and whose account is neither disabled nor locked."""
    locked = AccountLock.objects.in_force().values("user_id")
    return list(get_user_model().objects.with_perm(ADMINISTER).exclude(pk__in=locked).order_by("pk"))
