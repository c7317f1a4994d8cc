"""Checks the factor that a logged-in person gives once more. Wrong answers count as failed logins do."""

from __future__ import annotations

import dataclasses
import datetime as dt

from django import forms
from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxLengthValidator
from django.db import transaction
from django.http import HttpRequest, QueryDict
from django.views.decorators.debug import sensitive_variables

from activity import log
from activity.verbs import Verb
from sessions_app.factors import fresh
from sessions_app.factors.parking import PREFIX
from sessions_app.logins import authentication
from sessions_app.logins.forms import LONGEST_PASSWORD
from sessions_app.logins.models import LoginSession


@dataclasses.dataclass(frozen=True, slots=True)
class Ways:
    """By what a person can confirm who they are."""

    password: bool = False

    @property
    def are_none(self) -> bool:
        return not self.password


def ways_of(user: AbstractUser) -> Ways:
    """Return by what this person can confirm: by a second factor where there is one, and else by the password."""
    return Ways(password=user.has_usable_password())


class ProofForm(forms.Form):
    """Asks for a factor, by one of the ways that the person has.

    `retry_after` is the number of seconds to wait after too many wrong answers, and `is_closed` says that none can be
    counted. `factor` says what was given, once the form is valid.
    """

    retry_after = 0
    is_closed = False
    factor = ""

    def __init__(self, request: HttpRequest, user: AbstractUser, words: str, data: QueryDict | None = None) -> None:
        super().__init__(data, prefix=PREFIX, auto_id=f"{PREFIX}-%s", label_suffix="")
        self.request, self.user, self.words = request, user, words
        self.ways = ways_of(user)
        if self.ways.password:
            self.fields["password"] = forms.CharField(
                strip=False,
                widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
                validators=[MaxLengthValidator(LONGEST_PASSWORD)],
                error_messages={"required": "Enter your password."},
            )

    @sensitive_variables("password")
    def clean_password(self) -> str:
        """Check the password. Raise ValidationError if it is wrong, or was not checked for too many wrong ones."""
        password: str = self.cleaned_data["password"]
        try:
            is_right = authentication.confirm(self.request, self.user, password, f"to {self.words}")
        except authentication.TooManyTries as refusal:
            self.retry_after = refusal.seconds
            text = str(refusal).replace("you are not logged in", "nothing was done")
            raise forms.ValidationError(text, code="throttled") from None
        except authentication.ThrottleUnavailable:
            self.is_closed = True
            text = "Failed tries cannot be counted at the moment. Nothing was done. Try again in a minute."
            raise forms.ValidationError(text, code="throttled") from None
        if not is_right:
            raise forms.ValidationError("This is not your password. Nothing was done. Try again.", code="wrong")
        self.factor = "the password"
        return password

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
