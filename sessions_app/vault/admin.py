"""Administration of secrets. Their content can be set and replaced, and is never shown again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from sessions_app.admin.deletion_protection import ProtectedWhileInUse
from sessions_app.hosts.forms import WriteOnlyTextarea
from sessions_app.sealing import SealingError
from sessions_app.vault.models import LONGEST_CONTENT, Secret


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """The form for a secret, which seals the content before anything else can read it."""

    content = forms.CharField(
        required=False,
        strip=False,
        max_length=LONGEST_CONTENT,
        widget=WriteOnlyTextarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
        help_text="The content is encrypted when you save it, and is never shown here. Leave it empty to keep the old "
        "content.",
    )

    class Meta:
        model = Secret
        fields = ("resource", "name", "description")

    @sensitive_variables()
    def clean(self) -> dict[str, Any] | None:
        """Seal the content. Raise ValidationError if there is none, or if it cannot be sealed."""
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
    """Manages the secrets of the vaults."""

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
        """Show and save the form as Django does. Error reports do not contain the content."""
        return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Secret, form: forms.ModelForm[Secret], change: bool) -> None:
        """Save the secret, and who set its content."""
        if "content" in form.changed_data:
            obj.updated_by_id = request.user.pk
        super().save_model(request, obj, form, change)
