"""Notes which provider began a login session, so that a logout there can end it, and alerts of break-glass accounts."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from sessions_app.logins import backend, service
from sessions_app.logins.models import EndReason
from sessions_app.sso import break_glass
from sessions_app.sso.arrival import METHOD
from sessions_app.sso.back_channel import was_logged_out_meanwhile
from sessions_app.sso.models import Identity, ProviderLogin


def connect() -> None:
    """Connect the handlers, after the one that begins the login session. SessionsAppConfig.ready calls this once."""
    user_logged_in.connect(_logged_in, dispatch_uid="sso_login_begin")
    user_logged_in.connect(_alert, dispatch_uid="sso_break_glass")


def _logged_in(request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    record = next((one for one in get_authentication_records(request, user) if one["method"] == METHOD), None)
    here = backend.request_login.get()
    login = here.login if here is not None else None
    identity = Identity.objects.filter(pk=record.get("identity")).first() if record is not None else None
    if record is None or login is None or identity is None:
        return
    begun = ProviderLogin.objects.create(
        login=login,
        identity=identity,
        provider=record["slug"],
        issuer=identity.issuer,
        subject=identity.subject,
        session_id=record["session_id"],
        id_token=record.pop("id_token", ""),
    )
    request.session.modified = True  # the sealed token is kept once
    if was_logged_out_meanwhile(begun, record.get("issued_at")):
        service.end(login, EndReason.PROVIDER, actor=None)


def _alert(request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    break_glass.alert(request, user)
