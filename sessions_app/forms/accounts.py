"""The login form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.forms import AuthenticationForm
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest

from sessions_app.logins import door

LONGEST_NAME, LONGEST_PASSWORD = 254, 4096  # characters


class LoginForm(AuthenticationForm):
    """User name and password. `waiting` says, after a refusal for too many tries, until when."""

    # The stubs think of Django's own user model only.
    user_cache: AbstractBaseUser | None  # type: ignore[assignment]
    waiting: door.TooManyTries | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["username"].label = "User name"
        # Django writes the limit into the page only; what is sent may be megabytes, and would be folded and hashed.
        self.fields["username"].validators.append(MaxLengthValidator(self.username_field.max_length or LONGEST_NAME))
        self.fields["password"].validators.append(MaxLengthValidator(LONGEST_PASSWORD))

    def clean(self) -> dict[str, Any]:
        """Knock at the door; what it says becomes the form's error."""
        user_name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if user_name and password:
            try:
                self.user_cache = door.let_in(self.request or HttpRequest(), user_name, password)
            except door.TooManyTries as refusal:
                self.waiting = refusal
                raise forms.ValidationError(str(refusal), code="throttled") from refusal
            except door.NotLetIn as refusal:
                raise forms.ValidationError(str(refusal), code="invalid_login") from refusal
        return self.cleaned_data
