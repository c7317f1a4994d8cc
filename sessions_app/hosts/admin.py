"""Stored key pairs by which SessionAdmin logs in to hosts (the private half is never shown), and the public keys of
people and applications: seen by administrators, added for applications, removed for anybody."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from activity.viewer import viewer
from sessions_app.admin.folded import FoldedSearch
from sessions_app.admin.in_use import ProtectedWhileInUse
from sessions_app.errors import Refused
from sessions_app.hosts.flows.ssh_keys import LONGEST_TITLE, add_key, check_key, remove_key
from sessions_app.hosts.forms import NotRepeated
from sessions_app.hosts.models import ServiceKey, UserKey
from sessions_app.hosts.ssh.keys import BadKey
from sessions_app.hosts.ssh.service import fill
from sessions_app.people.models import Application
from sessions_app.roles import is_administrator
from sessions_app.sealing import SealingError


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
class ServiceKeyAdmin(ProtectedWhileInUse):
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


class ApplicationKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A public key for an application."""

    application = forms.ModelChoiceField(Application.objects.select_related("principal"))
    key = forms.CharField(
        label="Public key",
        max_length=10_000,
        widget=NotRepeated(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text="The one line of a .pub file. People register theirs themselves, on their account page.",
    )
    title = forms.CharField(max_length=LONGEST_TITLE, required=False, help_text="Empty: the comment in the line.")

    class Meta:
        model = UserKey
        fields: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any] | None:
        """Refuse what the flow would refuse. Raises ValidationError."""
        application, line = self.cleaned_data.get("application"), self.cleaned_data.get("key")
        if application and line:
            try:
                check_key(application.principal, line)
            except Refused as refusal:
                raise ValidationError({refusal.field or "application": refusal.message}) from refusal
        return super().clean()


@admin.register(UserKey)
class UserKeyAdmin(FoldedSearch):
    """Everybody's SSH keys. The flows write them, so that each change is in the log."""

    form = ApplicationKeyForm
    list_display = ("fingerprint", "user", "title", "kind", "added_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("fingerprint", "title", "user__username")
    ordering = ("user__username", "added_at")
    actions = None  # one at a time, through the flow

    def get_fields(self, request: HttpRequest, obj: UserKey | None = None) -> Any:
        """Three to fill in for a new one; all there is to see of another."""
        if obj is None:
            return ("application", "key", "title")
        return ("user", "title", "kind", "fingerprint", "public_key", "added_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Administrators."""
        return isinstance(request.user, AbstractUser) and is_administrator(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a key is removed and another one registered."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Administrators: a stolen key must go although its owner is away."""
        return self.has_add_permission(request)

    @method_decorator(sensitive_post_parameters("key"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """As usual; reports of errors leave out what was pasted."""
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: UserKey, form: Any, change: bool) -> None:
        """Through the flow."""
        sent = form.cleaned_data
        made = add_key(viewer(request), title=sent["title"], line=sent["key"], owner=sent["application"].principal)
        obj.__dict__.update(made.__dict__)

    def delete_model(self, request: HttpRequest, obj: UserKey) -> None:
        """Through the flow."""
        remove_key(viewer(request), obj)
