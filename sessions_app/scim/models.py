"""The tokens of identity providers, and what these have said about users and groups that Django does not keep."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone


class ScimToken(models.Model):
    """A token of one identity provider. Only its hash is stored. A revoked one stays, because the log names it."""

    name = models.CharField(max_length=60, unique=True)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)  # SHA-256: the token is 256 random bits
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    provider = models.CharField(max_length=40, blank=True, editable=False)  # slug: `externalId` is the subject there
    expires_at = models.DateTimeField("expires", null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    last_used_ip = models.GenericIPAddressField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", editable=False
    )

    class Meta:
        verbose_name = "SCIM token"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class ScimAccount(models.Model):
    """What an identity provider said about a user. Users that none has written have no row."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="scim_account")
    external_id = models.CharField(max_length=255, blank=True, db_index=True)
    display_name = models.CharField(max_length=150, blank=True)
    emails = models.JSONField(default=list, blank=True)  # as they came; the account's own address is one of them
    is_removed = models.BooleanField(default=False)  # SCIM does not show it as long as the account is disabled

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.user)


class ScimGroup(models.Model):
    """What an identity provider said about a group. Groups that none has written have no row."""

    group = models.OneToOneField(Group, models.CASCADE, primary_key=True, related_name="scim_group")
    external_id = models.CharField(max_length=255, blank=True, db_index=True)
    is_removed = models.BooleanField(default=False)  # policies name it still: it is empty, and SCIM does not show it

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.group)
