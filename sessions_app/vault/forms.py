"""The forms of a secret. They seal the content before anything else can read it, and never show it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables

from sessions_app.catalogue.models import Platform, Resource
from sessions_app.configuration.forms import ConfigurationForm
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


class SecretConfigurationForm(SecretForm, ConfigurationForm):
    """The form for a secret on the console's own page."""

    help = ("vault", "set-one-up", "How to set up a secret vault")
    write_only = ("content",)

    def __init__(self, data: Any = None, *, instance: Any = None, initial: Any = None) -> None:
        super().__init__(data, instance=instance, initial=initial)
        if instance is None:
            self.fields["content"].help_text = "It is encrypted when you save it, and is never shown here."
            if not Resource.objects.filter(platform=Platform.VAULT).exists():
                text = "There is no vault yet: add a resource with the platform “Secret vault” first."
                self.fields["resource"].help_text = text

    def save_for(self, actor: Any) -> Secret:
        """Save the secret, and who set its content."""
        if "content" in self.changed_data:
            self.instance.updated_by = actor
        saved: Secret = self.save()
        return saved
