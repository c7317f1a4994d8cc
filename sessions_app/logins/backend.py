"""Loads the user of a request and the login session with one query.

Django asks the authentication backend for the user of each request. This backend joins the login session to that query,
so that an ended login session is refused from the next request on, with every server-side session engine. The
middleware says which session key the request has. The statements are compiled once (activity/compiled_query.py),
because every request runs them.
"""

from __future__ import annotations

import datetime as dt
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from activity.compiled_query import CompiledQuery
from sessions_app.login_rules.rules import Refusal, any_rule, refusal_of
from sessions_app.logins.models import LoginSession, hash_session_key
from sessions_app.people.models import AccountLock, Application


@dataclass
class RequestLogin:
    """The session key and the address of the running request, and its login session once the user is loaded.

    `refused_by` is the lock that refused a person with the right password, `refusal` the login rule that refused a new
    login, and `broken` a login session that goes on no longer, with the login rule that says so. `device_cookie` is for
    the browser of a login that has just begun.
    """

    session_key: str
    address: str = ""
    login: LoginSession | None = None
    refused_by: AccountLock | None = None
    device_cookie: str = ""
    refusal: Refusal | None = None
    broken: tuple[LoginSession, Refusal] | None = None

    def login_id(self) -> int | None:
        """Return the number of the login session; None until the user is loaded, and for strangers."""
        return self.login.pk if self.login is not None else None


request_login: ContextVar[RequestLogin | None] = ContextVar("sessions_app_request_login", default=None)


class LoginSessionBackend(ModelBackend):
    """Django's own backend, which returns the user of a request only while the login session is live."""

    def get_user(self, user_id: Any) -> Any:
        """Return the user, or None if the login session is ended, idle for too long or unknown.

        Also None if a login rule of the person does not allow this address or this time. The middleware then ends the
        login session.
        """
        request = request_login.get()
        if request is None:
            return super().get_user(user_id)
        login, has_rules = _live_login(request.session_key, user_id)
        if login is None or not self.user_can_authenticate(login.user):
            return None
        refusal = refusal_of(login.user_id, request.address) if has_rules else None
        if refusal is not None:
            request.broken = login, refusal
            return None
        request.login = login
        return login.user

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the permissions of the account and of its groups, with one query instead of two."""
        is_asked = user_obj.is_active and not user_obj.is_superuser and obj is None
        if is_asked and not hasattr(user_obj, "_perm_cache"):
            _, rows = _permissions.rows(user_id=user_obj.pk)
            user_obj._perm_cache = {f"{app}.{name}" for app, name in rows}
        return super().get_all_permissions(user_obj, obj)

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """Return the user with this name and password, unless the account is locked or is an application's.

        The lock is stored in the current request, for authentication.py to report it. An application is refused
        whatever password it was given past the administration.
        """
        user = super().authenticate(request, username, password, **kwargs)
        if user is None or Application.objects.filter(principal=user.pk).exists():
            return None
        lock = AccountLock.objects.in_force().filter(user_id=user.pk).first()
        if lock is None:
            return user
        here = request_login.get()
        if here is not None:
            here.refused_by = lock
        return None


def _columns(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def _logins_with_users(key_hash: str, idle: dt.datetime, old: dt.datetime) -> QuerySet[LoginSession, Any]:
    """Return the login session of a key together with its user, and whether there are any login rules."""
    logins = LoginSession.objects.live().exclude(_is_before(idle, old)).filter(key_hash=key_hash)
    columns = [*_columns(LoginSession), *(f"user__{name}" for name in _columns(get_user_model()))]
    return logins.values_list(*columns, any_rule())


_live_logins = CompiledQuery(LoginSession, _logins_with_users, key_hash=str, idle=dt.datetime, old=dt.datetime)


def _live_login(session_key: str, user_id: Any) -> tuple[LoginSession | None, bool]:
    """Return the login session of that key and user, with its user, or None if it is over; and if there are rules."""
    idle, old = _limits(timezone.now())
    alias, rows = _live_logins.rows(key_hash=hash_session_key(session_key), idle=idle, old=old)
    if not rows:
        return None, False
    columns, user_model = _columns(LoginSession), get_user_model()
    login = LoginSession.from_db(alias, columns, rows[0][: len(columns)])
    if login.user_id != user_id:
        return None, False
    login.user = user_model.from_db(alias, _columns(user_model), rows[0][len(columns) : -1])
    return login, bool(rows[0][-1])


def _own_and_of_groups(user_id: int) -> QuerySet[Permission, Any]:
    """Return the permissions of an account and of its groups."""
    user = get_user_model()(pk=user_id)
    querysets = (user.user_permissions.all(), Permission.objects.filter(group__in=user.groups.all()))
    own, groups = (queryset.order_by().values_list("content_type__app_label", "codename") for queryset in querysets)
    return own.union(groups)


_permissions = CompiledQuery(Permission, _own_and_of_groups, user_id=int)


def is_expired(now: dt.datetime) -> Q:
    """Return a condition for login sessions that are idle or old beyond the limits, ended or not."""
    return _is_before(*_limits(now))


def _limits(now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Return two times: a login session is expired if it was last used before the first or begun before the second."""
    idle = now - dt.timedelta(seconds=settings.LOGIN_IDLE_TIMEOUT)
    return idle, now - dt.timedelta(seconds=settings.SESSION_COOKIE_AGE)


def _is_before(idle: dt.datetime, old: dt.datetime) -> Q:
    return Q(last_access_at__lt=idle) | Q(created_at__lt=old)


def current_login(request: HttpRequest) -> LoginSession | None:
    """Return the login session of this request; None for somebody who is not logged in."""
    here = request_login.get()
    return here.login if here is not None and request.user.is_authenticated else None
