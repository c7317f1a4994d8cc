"""How long a factor that a person gave counts as fresh, in one login session."""

from __future__ import annotations

import datetime as dt

from django.http import HttpRequest
from django.utils import timezone

from sessions_app.logins.backend import current_login
from sessions_app.logins.models import LoginSession

FRESH_FOR = dt.timedelta(minutes=5)


class FreshFactorNeeded(Exception):
    """The person has to give a factor before what they want is done; nothing was changed so far.

    step_up_middleware.py catches it and asks. `words` say what is waiting, as in “to connect”: a verb without “to”.
    """

    def __init__(self, words: str) -> None:
        super().__init__(f"A factor of the last {FRESH_FOR.seconds // 60} minutes is needed to {words}.")
        self.words = words


def confirmed_until(login: LoginSession) -> dt.datetime | None:
    """Return until when the last factor of this login counts as fresh; None if it does not any more."""
    if login.confirmed_at is None:
        return None
    until = login.confirmed_at + FRESH_FOR
    return until if until > timezone.now() else None


def is_fresh(login: LoginSession) -> bool:
    return confirmed_until(login) is not None


def require_fresh(request: HttpRequest, words: str) -> None:
    """Raise FreshFactorNeeded unless the person has given a factor a moment ago in this login.

    A view calls it before it changes anything, where the need depends on more than the address (step_up.py).
    """
    login = current_login(request)
    if login is None or not is_fresh(login):
        raise FreshFactorNeeded(words)


def mark_confirmed(login: LoginSession) -> dt.datetime:
    """Store that the person has given a factor just now in this login. Return until when it counts as fresh."""
    login.confirmed_at = timezone.now()
    LoginSession.objects.live().filter(pk=login.pk).update(confirmed_at=login.confirmed_at)
    return login.confirmed_at + FRESH_FOR
