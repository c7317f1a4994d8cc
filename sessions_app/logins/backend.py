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
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from sessions_app.models import AccountLock, LoginSession
from sessions_app.models.login import hash_session_key


@dataclass
class Carried:
    """What the running request carries: its session key; the login session once the user was loaded; and the lock that
    kept somebody with the right password out."""

    session_key: str
    login: LoginSession | None = None
    refused_by: AccountLock | None = None


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
            .exclude(is_expired(timezone.now()))
            .select_related("user")
            .filter(key_hash=hash_session_key(request.session_key), user_id=user_id)
            .first()
        )
        if login is None or not self.user_can_authenticate(login.user):
            return None
        request.login = login
        return login.user

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """As Django's, and nobody gets in to a locked account; the lock is noted for who may be told (door.py)."""
        user = super().authenticate(request, username, password, **kwargs)
        if user is None:
            return None
        lock = AccountLock.objects.standing().filter(user_id=user.pk).first()
        if lock is None:
            return user
        here = carried.get()
        if here is not None:
            here.refused_by = lock
        return None


def is_expired(now: dt.datetime) -> Q:
    """Login sessions without a request for too long, or simply too old, whether or not the worker has ended them."""
    idle = now - dt.timedelta(seconds=settings.LOGIN_IDLE_TIMEOUT)
    old = now - dt.timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return Q(last_access_at__lt=idle) | Q(created_at__lt=old)


def current_login(request: HttpRequest) -> LoginSession | None:
    """The login session of this request, None for a stranger."""
    here = carried.get()
    return here.login if here is not None and request.user.is_authenticated else None
