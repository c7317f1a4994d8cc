"""Secrets that a vault holds, with encrypted content. vault/flows/secret.py decides who may see them, and when."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from sessions_app.catalogue.models import Platform, Resource
from sessions_app.sealing import SealedField, seal, unseal

LONGEST_CONTENT = 20_000  # characters; a key file or a certificate chain fits


class Secret(models.Model):
    """One secret of a vault.

    set_content() writes its content, and only vault/flows/secret.py reads it.
    """

    resource = models.ForeignKey(
        Resource,
        models.PROTECT,
        related_name="secrets",
        limit_choices_to={"platform": Platform.VAULT},
        verbose_name="vault",
    )
    name = models.CharField(max_length=120, help_text="The log shows this name, so do not write the secret here.")
    description = models.CharField(
        max_length=300,
        blank=True,
        help_text="Say what the secret is for. The text is shown beside the name and is not encrypted.",
    )
    sealed = SealedField("content")
    updated_at = models.DateTimeField("content changed at", default=timezone.now, editable=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", editable=False, verbose_name="changed by"
    )

    class Meta:
        ordering = ["resource", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["resource", "name"],
                name="secret_name_once",
                violation_error_message="This vault has a secret of that name already.",
            ),
            models.CheckConstraint(condition=~models.Q(sealed=""), name="secret_has_content"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.resource}"

    @sensitive_variables("content")
    def set_content(self, content: str) -> None:
        """Encrypt `content` into this object, without saving it. Raise SealingError."""
        self.sealed = seal(content.encode())
        self.updated_at = timezone.now()

    def open(self) -> str:
        """Return the decrypted content. Raise SealingError."""
        return unseal(self.sealed).decode()
