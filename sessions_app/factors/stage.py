"""The second step of a login, between the password and the login session, as a stage of django-allauth.

Meanwhile nobody is logged in. What is kept in the browser's session is who gave the right password, and a fingerprint
of the account at that moment: after a new password, a lock or a change of the factors the login begins anew.
"""

from __future__ import annotations

import hmac
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.stagekit import clear_login
from allauth.account.stages import LoginStage, LoginStageController
from allauth.mfa.models import Authenticator
from allauth.mfa.stages import AuthenticateStage
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.crypto import salted_hmac

from sessions_app.people.models import AccountLock


class SecondFactorStage(LoginStage):  # type: ignore[misc]  # allauth has no types
    """Stops a login until the person has given a second factor, unless the first step was one as well."""

    key = AuthenticateStage.key
    urlname = "mfa_authenticate"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Lead to the page that asks for the factor. Whoever knew the session key before does not know it any more."""
        user = self.login.user
        if not has_factor(user) or counts_as_two(self.request, user):
            return None, True
        self.state["account"] = fingerprint(user)
        # Loads the login session that this browser may have already, so that it learns the new key (middleware.py).
        bool(self.request.user.is_authenticated)
        self.request.session.cycle_key()
        return redirect(self.urlname), True


def has_factor(user: AbstractBaseUser) -> bool:
    """Return whether the person has an authenticator app, a security key or a passkey."""
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=kinds).exists())


def counts_as_two(request: HttpRequest, user: AbstractBaseUser) -> bool:
    """Return whether the first step was a passkey, or a provider that has asked for a second factor itself."""
    return any(
        record.get("passwordless") or record.get("second_factor")
        for record in get_authentication_records(request, user)
    )


def fingerprint(user: AbstractBaseUser) -> str:
    """Return a text that changes when the account gets a new password or another set of factors."""
    factors = Authenticator.objects.filter(user_id=user.pk).order_by("pk").values_list("pk", flat=True)
    return salted_hmac("sessions_app.factors.stage", f"{user.password} {list(factors)}", algorithm="sha256").hexdigest()


def pending(request: HttpRequest) -> SecondFactorStage | None:
    """Return the second step that this browser is at.

    Return None, and forget the login that was begun, if it took too long or the account has changed meanwhile.
    """
    stage: Any = LoginStageController.enter(request, SecondFactorStage.key)
    if stage is None:
        return None
    user = stage.login.user
    if (
        user is not None
        and user.is_active
        and hmac.compare_digest(stage.state.get("account", ""), fingerprint(user))
        and not AccountLock.objects.in_force().filter(user_id=user.pk).exists()
    ):
        return stage  # type: ignore[no-any-return]  # allauth has no types
    clear_login(request)
    return None
