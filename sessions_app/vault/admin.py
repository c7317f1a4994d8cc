"""Administration of secrets. Their content can be set and replaced, and is never shown again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from sessions_app.admin.deletion_protection import ProtectedWhileInUse
from sessions_app.vault.forms import SecretForm
from sessions_app.vault.models import Secret


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
