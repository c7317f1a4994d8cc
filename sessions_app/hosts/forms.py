"""Forms to register an SSH key and to get a certificate for one."""

from __future__ import annotations

from typing import Any

from django import forms

from sessions_app.hosts.models import UserKey


class WriteOnlyTextarea(forms.Textarea):
    """A text area that is always shown empty, also after an error: the text may be a secret."""

    def format_value(self, value: Any) -> str:
        return ""


class KeyForm(forms.Form):
    """The form for one public key. The flow decides which keys are accepted."""

    key = forms.CharField(
        label="Public key",
        max_length=10_000,
        widget=WriteOnlyTextarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Paste the line of a .pub file: Ed25519, ECDSA, a security key, or RSA with at least 3072 bits.",
    )
    title = forms.CharField(
        max_length=80, required=False, help_text="Your name for the key. Leave it empty to use the comment of the key."
    )


class CertificateForm(forms.Form):
    """The form to choose which of one's own keys the certificate is for."""

    key = forms.ModelChoiceField(UserKey.objects.none(), label="SSH key", empty_label=None)

    def __init__(self, user_id: int, data: Any = None) -> None:
        super().__init__(data, label_suffix="")
        field = self.fields["key"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - for the type checker
        field.queryset = UserKey.objects.filter(user_id=user_id)
