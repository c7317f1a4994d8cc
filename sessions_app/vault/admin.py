"""Secrets in the admin: their content can be set and replaced, and is never shown again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from sessions_app.admin.in_use import ProtectedWhileInUse
from sessions_app.sealing import SealingError
from sessions_app.vault.models import LONGEST_CONTENT, Secret


class NeverShown(forms.Textarea):
    """A field that comes back empty, also when the form has errors."""

    def format_value(self, value: Any) -> str:
        """Nothing."""
        return ""


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Seals what was typed before anything else sees it."""

    content = forms.CharField(
        required=False,
        strip=False,
        max_length=LONGEST_CONTENT,
        widget=NeverShown(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Sealed when it is saved, and never shown here. Leave it empty to keep what is there.",
    )

    class Meta:
        model = Secret
        fields = ("resource", "name", "description")

    @sensitive_variables()
    def clean(self) -> dict[str, Any] | None:
        """Seal the content. Raises ValidationError when there is none, or no key to seal it with."""
        content = self.cleaned_data.pop("content", "").replace("\r\n", "\n")
        if content:
            try:
                self.instance.set_content(content)
            except SealingError as error:
                raise ValidationError({"content": str(error)}) from None
        elif not self.instance.sealed and "content" not in self.errors:
            raise ValidationError({"content": "Enter the secret."})
        return super().clean()


@admin.register(Secret)
class SecretAdmin(ProtectedWhileInUse):
    """What the vaults keep."""

    form = SecretForm
    list_display = ("name", "resource", "description", "updated_at", "updated_by")
    list_filter = ("resource",)
    list_select_related = ("resource", "updated_by")
    search_fields = ("name", "description", "resource__name")
    ordering = ("resource__name", "name")
    readonly_fields = ("updated_at", "updated_by")
    fields = ("resource", "name", "description", "content", "updated_at", "updated_by")

    @method_decorator(sensitive_post_parameters("content"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """As usual; reports of errors leave the content out."""
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Secret, form: forms.ModelForm[Secret], change: bool) -> None:
        """Notes who set the content."""
        if "content" in form.changed_data:
            obj.updated_by_id = request.user.pk
        super().save_model(request, obj, form, change)
