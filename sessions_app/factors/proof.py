"""Checks the factor that a logged-in person gives once more. Wrong answers count as failed logins do."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxLengthValidator
from django.db import transaction
from django.http import HttpRequest, QueryDict
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.verbs import Verb
from sessions_app.factors import check, fresh, webauthn
from sessions_app.factors.parking import PREFIX
from sessions_app.factors.step_up_provider import ProviderWay, provider_of
from sessions_app.logins import authentication, service
from sessions_app.logins.forms import LONGEST_PASSWORD
from sessions_app.logins.models import LoginSession, SecondFactor

WRONG_KEY = "No security key of yours has answered. Nothing was done. Try again, or confirm in another way."
NOTHING_GIVEN = "Nothing was given to confirm with. Nothing was done. Use your security key, or log in again."
WRONG_CODE = "This code is wrong, or it was used before. Nothing was done. Enter the next code that is shown."
# How the log names what was given.
NAMES = {
    SecondFactor.TOTP: "a code of the authenticator app",
    SecondFactor.RECOVERY_CODE: "a recovery code",
    SecondFactor.SECURITY_KEY: "a security key",
    SecondFactor.PASSKEY: "a passkey",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Ways:
    """By what a person can confirm who they are: by a second factor where there is one, and else by the password."""

    password: bool
    key: bool
    app: bool
    recovery_code: bool
    why_no_key: str = ""  # why the person's keys do not work at this address of the console

    @property
    def code(self) -> bool:
        return self.app or self.recovery_code

    @property
    def is_typed(self) -> bool:
        return self.password or self.code

    @property
    def are_none(self) -> bool:
        return not (self.is_typed or self.key)


def ways_of(request: HttpRequest, user: AbstractUser) -> Ways:
    """Return by what this person can confirm, with one query."""
    factors = check.factors_of(user)
    return Ways(
        password=user.has_usable_password() and not factors.any,
        key=factors.keys > 0,
        app=factors.has_app,
        recovery_code=factors.any and factors.recovery_codes > 0,
        why_no_key=webauthn.why_impossible(request) if factors.keys else "",
    )


def _provider_of(user: AbstractUser) -> ProviderWay | None:
    """Return the provider where this person can confirm, for somebody without a second factor here."""
    way = provider_of(user)
    return None if way is None or check.factors_of(user).any else way


class ProofForm(forms.Form):
    """Asks for a factor, by one of the ways that the person has.

    `retry_after` is the number of seconds to wait after too many wrong answers, and `is_closed` says that none can be
    checked at the moment. `factor` says what was given, once the form is valid.
    """

    retry_after = 0
    is_closed = False
    factor = ""

    def __init__(self, request: HttpRequest, user: AbstractUser, words: str, data: QueryDict | None = None) -> None:
        super().__init__(data, prefix=PREFIX, auto_id="%s", label_suffix="")
        self.request, self.user, self.words = request, user, words
        self.ways = ways_of(request, user)
        self.provider = _provider_of(user)
        has_answer = self.ways.key and bool(self.data.get(f"{PREFIX}-credential"))
        if has_answer:
            limit = [MaxLengthValidator(webauthn.LONGEST)]
            self.fields["credential"] = forms.CharField(widget=forms.HiddenInput, validators=limit)
        if self.ways.password:
            self.fields["password"] = forms.CharField(
                strip=False,
                widget=forms.PasswordInput({"autocomplete": "current-password", "autofocus": True}),
                validators=[MaxLengthValidator(LONGEST_PASSWORD)],
                error_messages={"required": "Enter your password."},
            )
        if self.ways.code:
            self.fields["code"] = forms.CharField(
                label="Code of your authenticator app" if self.ways.app else "Recovery code",
                help_text="Or one of your recovery codes." if self.ways.app and self.ways.recovery_code else "",
                max_length=check.LONGEST_CODE,
                required=not has_answer,
                widget=forms.TextInput(
                    {"autocomplete": "one-time-code", "autofocus": not self.ways.key, "spellcheck": "false"}
                ),
                error_messages={"required": "Enter a code."},
            )

    @sensitive_variables("password")
    def clean_password(self) -> str:
        """Check the password. Raise ValidationError if it is wrong, or was not checked."""
        password: str = self.cleaned_data["password"]
        with self._refusals():
            if not authentication.confirm(self.request, self.user, password, f"to {self.words}"):
                raise forms.ValidationError("This is not your password. Nothing was done. Try again.", code="wrong")
        self.factor = "the password"
        return password

    @sensitive_variables("code")
    def clean_code(self) -> str:
        """Check and use up the code. Raise ValidationError if it is wrong, or was not checked."""
        code: str = self.cleaned_data["code"]
        if not code:
            return ""
        with self._refusals():
            factor = check.verify_code(self.user, code, address=service.request_ip(self.request))
        if factor is None:
            raise forms.ValidationError(WRONG_CODE, code="wrong")
        self.factor = NAMES[factor]
        return code

    @sensitive_variables("answer")
    def clean_credential(self) -> str:
        """Check the answer of a security key or passkey. Raise ValidationError if it is wrong."""
        answer: str = self.cleaned_data["credential"]
        factor = webauthn.verify(self.request, self.user, answer)
        if factor is None:
            raise forms.ValidationError(WRONG_KEY, code="wrong")
        self.factor = NAMES[factor]
        return answer

    def clean(self) -> dict[str, Any]:
        """Refuse the form if nothing was given, which no field notices where a key is the only way."""
        if not self.errors and not self.factor:
            raise forms.ValidationError(NOTHING_GIVEN, code="required")
        return self.cleaned_data

    @property
    def key_problem(self) -> str:
        """Return why the answer of a key was refused; an empty string if none was given."""
        return WRONG_KEY if "credential" in self.errors else ""

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what keeps an answer from being checked into a problem of its field."""
        try:
            yield
        except authentication.TooManyTries as refusal:
            self.retry_after = refusal.seconds
            text = str(refusal).replace("you are not logged in", "nothing was done")
            raise forms.ValidationError(text, code="throttled") from None
        except authentication.ThrottleUnavailable:
            self.is_closed = True
            text = "Failed tries cannot be counted at the moment. Nothing was done. Try again in a minute."
            raise forms.ValidationError(text, code="throttled") from None
        except authentication.LoginRefused as refusal:
            self.is_closed = True
            raise forms.ValidationError(str(refusal), code="not_checked") from None

    @property
    def status(self) -> int:
        """Return the HTTP status of a page that shows the form again."""
        if self.is_closed:
            return 503
        return 429 if self.retry_after else 422


def accept(login: LoginSession, user: AbstractUser, words: str, factor: str) -> dt.datetime:
    """Store and log that the person has given a factor in this login; `words` say what for.

    Return until when it counts as fresh.
    """
    with transaction.atomic():
        until = fresh.mark_confirmed(login)
        message = f"Confirmed with {factor}, to {words}"
        log.record(Verb.FACTOR_CONFIRMED, message, actor=user, details={"login": login.pk})
    return until
