"""The forms of a service key. A pair is replaced by another pair; only its name can be changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables

from sessions_app.configuration.forms import ConfigurationForm
from sessions_app.hosts.forms import WriteOnlyTextarea
from sessions_app.hosts.models import ServiceKey
from sessions_app.hosts.ssh.keys import BadKey
from sessions_app.hosts.ssh.service import fill
from sessions_app.sealing import SealingError


class NewServiceKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """The form for a new key pair: its name, and a private key unless a new one is to be generated."""

    private = forms.CharField(
        label="Private key",
        required=False,
        max_length=20_000,
        widget=WriteOnlyTextarea(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Leave it empty to create a new Ed25519 key here, which is safer. Or paste a key in OpenSSH or PEM "
        "format without a passphrase. The key is encrypted when you save it, and is never shown.",
    )

    class Meta:
        model = ServiceKey
        fields = ("name",)

    @sensitive_variables()
    def clean(self) -> dict[str, Any] | None:
        """Generate the key pair, or read the given one. Raise ValidationError if it cannot be used or sealed."""
        private = self.cleaned_data.pop("private", "")
        if "private" in self.fields and "private" not in self.errors:
            try:
                fill(self.instance, private)
            except BadKey as problem:
                raise ValidationError({"private": str(problem)}) from None
            except SealingError as problem:
                raise ValidationError(str(problem)) from None
            if ServiceKey.objects.filter(fingerprint=self.instance.fingerprint).exists():
                raise ValidationError({"private": "This key is stored already."})
        return super().clean()


class ServiceKeyConfigurationForm(NewServiceKeyForm, ConfigurationForm):
    """The form for a key pair on the console's own page, which asks for the private key of a new pair only."""

    help = ("how-to/keys", "stored-service-key", "What a service key is for")
    write_only = ("private",)

    def unneeded(self) -> Collection[str]:
        """Return the private key for a pair that exists."""
        return () if self.instance.pk is None else ("private",)
