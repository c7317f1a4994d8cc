"""The last step of every way to sign in, which django-allauth calls: password, passkey, single sign-on, recovery code.

Every way ends in `AccountAdapter.login`, which logs in by LoginSessionBackend. Its signal begins the login session
(signals.py, service.py), so that an ended login session is refused at the next request, whichever way it began.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY, get_authentication_records
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from sessions_app.login_rules.rules import Refusal
from sessions_app.logins import backend
from sessions_app.logins.models import Method, SecondFactor
from sessions_app.people.personal import settings_of, write_cookies

BACKEND = "sessions_app.logins.backend.LoginSessionBackend"
# The record of a login without the second factor that is required (factors/stage.py).
ENROLMENT = "enrolment"
# How the names begin under which allauth keeps the steps of a login, and whose they are, in the session.
STEPS = AUTHENTICATION_METHODS_SESSION_KEY
# The second factor by the type that allauth records. WebAuthn is told apart by whether it was the only step.
FACTORS = {"totp": SecondFactor.TOTP, "recovery_codes": SecondFactor.RECOVERY_CODE}


class RefusedByRule(PermissionDenied):
    """Who signs in has proved who they are, and a login rule does not let them in. The text is for that person."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.text} You are not logged in.")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """What django-allauth asks the console while somebody signs in."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: administrators make accounts, and single sign-on where its setting says so."""
        return False

    def get_login_stages(self) -> list[str]:
        """Return our own stages instead of allauth's, whose pages are not ours."""
        return list(settings.LOGIN_STAGES)

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Begin the login session.

        Raise RefusedByRule if a login rule does not allow it, and PermissionDenied if the account was closed at the
        same moment.
        """
        user.backend = BACKEND  # allauth's own would not check the login session
        _empty_session(request)
        super().login(request, user)
        here = backend.request_login.get()
        if here is not None and here.refusal is not None:
            raise RefusedByRule(here.refusal)
        if backend.current_login(request) is None:
            raise PermissionDenied("The account was locked or changed while you logged in; you are not logged in.")

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, *, redirect_url: str | None, **kwargs: Any
    ) -> HttpResponse:
        """Open the page that the person wanted, or their start page, and write their settings as cookies."""
        chosen = settings_of(user)
        # Whoever opens the console by its bare address asks for no page in particular.
        wanted = redirect_url if redirect_url != reverse("home") else None
        response = HttpResponseRedirect(wanted or reverse(chosen.start_page))
        write_cookies(response, chosen)
        return response


def _empty_session(request: HttpRequest) -> None:
    """Empty the browser's session of the login that it had before, and keep the steps of the one that begins now.

    Django would empty it of somebody else's login together with the steps: what the login has to do first, such as to
    set up a second factor, would be forgotten.
    """
    if SESSION_KEY in request.session:
        steps = {name: value for name, value in request.session.items() if name.startswith(STEPS)}
        request.session.flush()
        request.session.update(steps)
    request.session.set_expiry(None)  # a trip to a provider that was broken off has set a short one


def signed_in_by(request: HttpRequest, user: AbstractBaseUser) -> dict[str, Any]:
    """Return the fields of a new login session that say how the person signed in.

    The source are the steps that allauth has recorded for this person in the session.
    """
    fields: dict[str, Any] = {"confirmed_at": timezone.now()}
    for record in get_authentication_records(request, user):
        if record["method"] == "password":
            fields["signed_in_with"] = Method.PASSWORD
        elif record["method"] == "socialaccount":
            fields |= _by_provider(record)
        elif record["method"] == ENROLMENT:
            fields["must_enrol"] = True
        elif record["method"] == "mfa" and record.get("passwordless"):
            fields |= {"signed_in_with": Method.PASSKEY, "second_factor": SecondFactor.PASSKEY}
        elif record["method"] == "mfa":
            factor = FACTORS.get(record.get("type", ""), SecondFactor.SECURITY_KEY)
            fields |= {"second_factor": factor, "confirmed_at": timezone.now()}
    return fields


def _by_provider(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a login by single sign-on, which is as fresh as what the person gave at the provider."""
    at = record.get("confirmed_at")
    fields = {
        "signed_in_with": Method.PROVIDER,
        "provider": str(record.get("provider", ""))[:60],
        "confirmed_at": dt.datetime.fromtimestamp(at, dt.UTC) if at is not None else None,
    }
    return fields | ({"second_factor": SecondFactor.PROVIDER} if record.get("second_factor") else {})
