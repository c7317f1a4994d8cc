"""Administration of SSH keys.

Administrators store the key pairs by which SessionAdmin logs in to hosts; the private half is never shown. They see the
public keys of people and applications, add keys for applications, and remove any key.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from activity.viewer import viewer
from sessions_app.admin.deletion_protection import ProtectedWhileInUse
from sessions_app.admin.folded_search import FoldedSearch
from sessions_app.errors import Refused
from sessions_app.hosts.flows.ssh_keys import LONGEST_TITLE, add_key, check_key, remove_key
from sessions_app.hosts.forms import WriteOnlyTextarea
from sessions_app.hosts.models import ServiceKey, UserKey
from sessions_app.hosts.service_key_forms import NewServiceKeyForm
from sessions_app.people.models import Application
from sessions_app.roles import is_administrator


@admin.register(ServiceKey)
class ServiceKeyAdmin(ProtectedWhileInUse):
    """Manages stored key pairs. A pair is replaced by another pair, and never changed apart from its name."""

    instead = "Choose another key for them first."
    list_display = ("name", "fingerprint", "created_at")
    search_fields = ("name", "fingerprint")
    ordering = ("name",)
    readonly_fields = ("public_key", "fingerprint", "created_at")

    def get_form(self, request: HttpRequest, obj: ServiceKey | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form; only the form for a new pair asks for the private key."""
        return super().get_form(request, obj, change, **({} if obj else {"form": NewServiceKeyForm}) | kwargs)

    def get_fields(self, request: HttpRequest, obj: ServiceKey | None = None) -> Any:
        """Return the fields; a stored pair shows the public key for the authorized_keys file of a host."""
        return ("name", *self.readonly_fields) if obj else ("name", "private")

    @method_decorator(sensitive_post_parameters("private"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show and save the form as Django does. Error reports do not contain the private key."""
        return super().changeform_view(request, *args, **kwargs)


class ApplicationKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """The form for a new public key of an application."""

    application = forms.ModelChoiceField(Application.objects.select_related("principal"))
    key = forms.CharField(
        label="Public key",
        max_length=10_000,
        widget=WriteOnlyTextarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Paste the line of a .pub file. People register their own keys on their account page.",
    )
    title = forms.CharField(
        max_length=LONGEST_TITLE, required=False, help_text="Leave it empty to use the comment of the key."
    )

    class Meta:
        model = UserKey
        fields: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any] | None:
        """Raise ValidationError if the flow would refuse the key."""
        application, line = self.cleaned_data.get("application"), self.cleaned_data.get("key")
        if application and line:
            try:
                check_key(application.principal, line)
            except Refused as refusal:
                raise ValidationError({refusal.field or "application": refusal.message}) from refusal
        return super().clean()


@admin.register(UserKey)
class UserKeyAdmin(FoldedSearch):
    """Shows the SSH keys of all users. The flows add and remove keys, so that the log has every change."""

    form = ApplicationKeyForm
    list_display = ("fingerprint", "user", "title", "kind", "added_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("fingerprint", "title", "user__username")
    ordering = ("user__username", "added_at")
    actions = None  # each key is removed by the flow

    def get_fields(self, request: HttpRequest, obj: UserKey | None = None) -> Any:
        """Return the three fields to fill in for a new key, or all fields of a key that exists."""
        if obj is None:
            return ("application", "key", "title")
        return ("user", "title", "kind", "fingerprint", "public_key", "added_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether the person is an administrator."""
        return isinstance(request.user, AbstractUser) and is_administrator(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False, because a key is removed and another one is added."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the person is an administrator, who must be able to remove a stolen key."""
        return self.has_add_permission(request)

    @method_decorator(sensitive_post_parameters("key"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show and save the form as Django does. Error reports do not contain the public key."""
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: UserKey, form: Any, change: bool) -> None:
        """Add the key by the flow, which checks and logs it."""
        sent = form.cleaned_data
        made = add_key(viewer(request), title=sent["title"], line=sent["key"], owner=sent["application"].principal)
        obj.__dict__.update(made.__dict__)

    def delete_model(self, request: HttpRequest, obj: UserKey) -> None:
        """Remove the key by the flow, which logs it."""
        remove_key(viewer(request), obj)
