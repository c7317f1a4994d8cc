"""How long a factor that a person gave counts as fresh, in one login session."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from sessions_app.logins.models import LoginSession

FRESH_FOR = dt.timedelta(minutes=5)


def confirmed_until(login: LoginSession) -> dt.datetime | None:
    """Return until when the last factor of this login counts as fresh; None if it does not any more."""
    if login.confirmed_at is None:
        return None
    until = login.confirmed_at + FRESH_FOR
    return until if until > timezone.now() else None


def is_fresh(login: LoginSession) -> bool:
    return confirmed_until(login) is not None


def mark_confirmed(login: LoginSession) -> None:
    """Store that the person has given a factor just now in this login."""
    login.confirmed_at = timezone.now()
    LoginSession.objects.live().filter(pk=login.pk).update(confirmed_at=login.confirmed_at)
