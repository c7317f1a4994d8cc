"""Stored key pairs by which SessionAdmin logs in to hosts: made or taken over here, the private half never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from sessions_app.admin.in_use import KeptWhileInUse
from sessions_app.forms.keys import NotRepeated
from sessions_app.models import ServiceKey
from sessions_app.sealing import SealingError
from sessions_app.ssh.keys import BadKey
from sessions_app.ssh.service import fill


class NewServiceKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A name, and the private key unless a new one is to be made."""

    private = forms.CharField(
        label="Private key",
        required=False,
        max_length=20_000,
        widget=NotRepeated(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Leave it empty, and a new Ed25519 key is made here: the better choice. Else OpenSSH or PEM, without "
        "a passphrase. Sealed when it is saved, and never shown.",
    )

    class Meta:
        model = ServiceKey
        fields = ("name",)

    @sensitive_variables()
    def clean(self) -> dict[str, Any] | None:
        """Make or take over the pair. Raises ValidationError at the field."""
        private = self.cleaned_data.pop("private", "")
        if "private" not in self.errors:
            try:
                fill(self.instance, private)
            except BadKey as problem:
                raise ValidationError({"private": str(problem)}) from None
            except SealingError as problem:
                raise ValidationError(str(problem)) from None
            if ServiceKey.objects.filter(fingerprint=self.instance.fingerprint).exists():
                raise ValidationError({"private": "This key is stored already."})
        return super().clean()


@admin.register(ServiceKey)
class ServiceKeyAdmin(KeptWhileInUse):
    """A pair is never changed, only named: to replace it, add another one and choose that for the resources."""

    instead = "Choose another key for them first."
    list_display = ("name", "fingerprint", "created_at")
    search_fields = ("name", "fingerprint")
    ordering = ("name",)
    readonly_fields = ("public_key", "fingerprint", "created_at")

    def get_form(self, request: HttpRequest, obj: ServiceKey | None = None, change: bool = False, **kwargs: Any) -> Any:
        """The private key is asked for once, when the pair is added."""
        return super().get_form(request, obj, change, **({} if obj else {"form": NewServiceKeyForm}) | kwargs)

    def get_fields(self, request: HttpRequest, obj: ServiceKey | None = None) -> Any:
        """The public half, for the host's authorized_keys, once there is one."""
        return ("name", *self.readonly_fields) if obj else ("name", "private")

    @method_decorator(sensitive_post_parameters("private"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """As usual; reports of errors leave the key out."""
        return super().changeform_view(request, *args, **kwargs)
