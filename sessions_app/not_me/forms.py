"""The form for a new password after a report."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.hashers import check_password
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest

from sessions_app.logins import authentication
from sessions_app.logins.forms import LONGEST_PASSWORD
from sessions_app.not_me.models import NotMeReport


class NewPasswordAfterReportForm(SetPasswordForm):  # type: ignore[type-arg]  # Django's form is not generic at run time
    """Asks for the void password and, twice, for a new one.

    Wrong ones are counted like failed logins, so that nobody who reads the mailbox can guess.
    """

    void_password = forms.CharField(
        label="The password that you had",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
        help_text="It no longer logs anybody in. It shows that you are not just somebody who reads your mail.",
    )
    field_order = ("void_password", "new_password1", "new_password2")

    def __init__(self, *args: Any, request: HttpRequest, report: NotMeReport, **kwargs: Any) -> None:
        super().__init__(report.user, *args, **{"label_suffix": "", **kwargs})
        self.request, self.report = request, report
        for field in self.fields.values():
            field.validators.append(MaxLengthValidator(LONGEST_PASSWORD))

    def clean_void_password(self) -> str:
        """Return the void password. Raise ValidationError if it is wrong, or after too many wrong ones."""
        password: str = self.cleaned_data["void_password"]
        try:
            is_right = authentication.confirm(
                self.request,
                self.user,
                password,
                "to set a new one after a report",
                check=lambda typed: check_password(typed, self.report.void_password),
            )
        except authentication.LoginRefused as refusal:
            text = str(refusal).replace("you are not logged in", "no new one was set")
            raise forms.ValidationError(text, code="throttled") from refusal
        if not is_right:
            raise forms.ValidationError("This is not the password that you had.", code="password_incorrect")
        return password

    def clean_new_password1(self) -> str:
        """Return the new password. Raise ValidationError if it is the void one, which somebody else may know."""
        password: str = self.cleaned_data["new_password1"]
        if check_password(password, self.report.void_password):
            raise forms.ValidationError("Somebody else may know this password. Choose another one.")
        return password
