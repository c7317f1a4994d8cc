"""Forms for codes and names of second factors."""

from __future__ import annotations

from typing import Any

from django import forms

from sessions_app.factors.check import LONGEST_CODE
from sessions_app.factors.webauthn import LONGEST

LONGEST_NAME = 60


class CodeInput(forms.TextInput):
    """A field that is empty whenever it is shown, because no code is good twice."""

    def format_value(self, value: Any) -> None:
        return None


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        max_length=LONGEST_CODE,
        widget=CodeInput({"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, label: str = "Code", numeric: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["code"].label = label
        if numeric:
            self.fields["code"].widget.attrs["inputmode"] = "numeric"


class AppForm(CodeForm):
    """The first code of a new authenticator app, and a name for it."""

    name = forms.CharField(max_length=LONGEST_NAME, initial="Authenticator app")


class KeyForm(forms.Form):
    """The answer of a security key or a passkey, which webauthn.js fills in."""

    credential = forms.CharField(required=False, max_length=LONGEST, widget=forms.HiddenInput)


class NewKeyForm(KeyForm):
    """A name for a new key, and its answer."""

    name = forms.CharField(max_length=LONGEST_NAME)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class NameForm(forms.Form):
    """The name of a factor."""

    name = forms.CharField(max_length=LONGEST_NAME)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
