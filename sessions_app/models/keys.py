"""SSH keys: the certificate authority's, those by which SessionAdmin reaches hosts, and those that people registered.

Private halves are sealed (sessions_app/sealing.py); what reads them is sessions_app/ssh. No repr and no str shows one.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from sessions_app.sealing import SealedField


class AuthorityState(models.TextChoices):
    """Hosts learn to trust `next` before it signs, and forget `retired` after it signed for the last time."""

    NEXT = "next", "Next"
    ACTIVE = "active", "Active"
    RETIRED = "retired", "Retired"


class CertificateAuthority(models.Model):
    """A key pair that signs SSH user certificates. A retired one keeps its public half only."""

    state = models.CharField(max_length=10, choices=AuthorityState.choices)
    public_key = models.TextField()  # one line: type and base64
    fingerprint = models.CharField(max_length=60, unique=True)
    private_key = SealedField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True)
    trusted_until = models.DateTimeField(null=True)  # of a retired one: until then hosts go on accepting it

    class Meta:
        verbose_name_plural = "certificate authorities"
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=Q(state__in=["active", "next"]), name="authority_one_active_one_next"
            ),
            models.CheckConstraint(
                condition=Q(state="retired", retired_at__isnull=False, trusted_until__isnull=False, private_key="")
                | (~Q(state="retired") & Q(retired_at=None) & ~Q(private_key="")),
                name="authority_retired_keeps_no_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display()} authority {self.fingerprint}"


class ServiceKey(models.Model):
    """A key pair by which SessionAdmin logs in to hosts that do not trust its certificate authority."""

    name = models.CharField(max_length=60, unique=True)
    public_key = models.TextField(editable=False)
    fingerprint = models.CharField(max_length=60, unique=True, editable=False)
    private_key = SealedField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class UserKey(models.Model):
    """A public key with which a person logs in to hosts during their sessions. No two people share one."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="ssh_keys")
    title = models.CharField(max_length=80)
    public_key = models.TextField()  # one line: type and base64
    kind = models.CharField(max_length=40)  # as people call it: Ed25519, RSA 4096, Ed25519 security key
    fingerprint = models.CharField(max_length=60, unique=True)
    added_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["added_at", "pk"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.title} ({self.fingerprint})"
