"""The form to log in, and the form for a new password."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest

from sessions_app.logins import authentication
from sessions_app.reasons import FOR_LOGOUT, ReasonInput

LONGEST_NAME, LONGEST_PASSWORD = 254, 4096  # characters


class LogoutForm(forms.Form):
    """The form to log other people out, with the reason that they read at the login page."""

    reason = forms.CharField(
        max_length=120,
        required=False,
        widget=ReasonInput(FOR_LOGOUT),
        help_text="It is logged, and the person reads it at the login page. Pick one, or write your own.",
    )


class LoginForm(AuthenticationForm):
    """The form for user name and password. After too many tries `waiting` says until when to wait."""

    # The stubs know only Django's own user model.
    user_cache: AbstractBaseUser | None  # type: ignore[assignment]  # Django says None until it is clean
    waiting: authentication.TooManyTries | None = None
    is_closed = False  # true if nobody can log in at the moment

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["username"].label = "User name"
        # Django writes the limit only into the page. Without a check, megabytes could be sent, folded and hashed.
        self.fields["username"].validators.append(MaxLengthValidator(self.username_field.max_length or LONGEST_NAME))
        self.fields["password"].validators.append(MaxLengthValidator(LONGEST_PASSWORD))

    def clean(self) -> dict[str, Any]:
        """Authenticate the person. Raise ValidationError with the reason if they are refused."""
        user_name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if user_name and password:
            try:
                self.user_cache = authentication.authenticate_person(self.request or HttpRequest(), user_name, password)
            except authentication.TooManyTries as refusal:
                self.waiting = refusal
                raise forms.ValidationError(str(refusal), code="throttled") from refusal
            except authentication.LoginRefused as refusal:
                self.is_closed = isinstance(refusal, authentication.ThrottleUnavailable)
                raise forms.ValidationError(str(refusal), code="invalid_login") from refusal
        return self.cleaned_data


class NewPasswordForm(PasswordChangeForm):
    """The form for the old password and, twice, the new one.

    Wrong old passwords are counted like failed logins. `old_hash` is the hash that the old password was compared with.
    """

    old_hash = ""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.request = request
        for field in self.fields.values():
            field.validators.append(MaxLengthValidator(LONGEST_PASSWORD))

    def clean_new_password1(self) -> str:
        """Return the new password. Raise ValidationError if it is the old one."""
        password: str = self.cleaned_data["new_password1"]
        if password == self.cleaned_data.get("old_password"):
            raise forms.ValidationError("This is the password that you have. Choose another one.", code="unchanged")
        return password

    def clean_old_password(self) -> str:
        """Return the old password. Raise ValidationError if it is wrong, or after too many wrong ones."""
        password: str = self.cleaned_data["old_password"]
        try:
            if authentication.confirm(self.request, self.user, password, "to change it"):
                self.old_hash = self.user.password
                return password
        except authentication.TooManyTries as refusal:
            text = str(refusal).replace("you are not logged in", "it was not changed")
            raise forms.ValidationError(text, code="throttled") from refusal
        except authentication.ThrottleUnavailable as refusal:
            text = "Failed tries cannot be counted at the moment. The password was not changed. Try again in a minute."
            raise forms.ValidationError(text, code="throttled") from refusal
        raise forms.ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")
