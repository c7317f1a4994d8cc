"""Loads the person of a request and the state of their login session with one query.

Django asks the authentication backend for the user of each request. Ours joins the login session to that very query,
so that an ended login session is refused by the next request at no extra cost, with every server-side session engine.
The middleware says which session key the request carries; outside a request nothing is joined.
"""

from __future__ import annotations

import datetime as dt
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.utils import timezone

from sessions_app.models import AccountLock, LoginSession
from sessions_app.models.login import hash_session_key


@dataclass
class Carried:
    """What the running request carries: its session key, and the login session once the user was loaded."""

    session_key: str
    login: LoginSession | None = None


carried: ContextVar[Carried | None] = ContextVar("sessions_app_carried", default=None)


class LoginSessionBackend(ModelBackend):
    """Django's own backend, but a request's user exists only while the login session is live."""

    def get_user(self, user_id: Any) -> Any:
        """The user, or None when the request's login session is ended, idle for too long, or not known."""
        request = carried.get()
        if request is None:
            return super().get_user(user_id)
        login = (
            LoginSession.objects.live()
            .select_related("user")
            .filter(key_hash=hash_session_key(request.session_key), user_id=user_id)
            .first()
        )
        idle_limit = dt.timedelta(seconds=settings.LOGIN_IDLE_TIMEOUT)
        if login is None or login.last_access_at < timezone.now() - idle_limit:
            return None
        if not self.user_can_authenticate(login.user):
            return None
        request.login = login
        return login.user

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """As Django's, and nobody gets in to a locked account."""
        user = super().authenticate(request, username, password, **kwargs)
        if user is not None and AccountLock.objects.standing().filter(user_id=user.pk).exists():
            return None
        return user


def current_login(request: HttpRequest) -> LoginSession | None:
    """The login session of this request, None for a stranger."""
    here = carried.get()
    return here.login if here is not None and request.user.is_authenticated else None
