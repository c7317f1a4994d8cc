"""Tables of the evidence: the keys that sign it, where its checkpoints went, and what retention did last."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from sessions_app.sealing import SealedField


class KeyState(models.TextChoices):
    """What a signing key does. During an overlap the active one and the leaving one both sign."""

    ACTIVE = "active", "Signs"
    LEAVING = "leaving", "Signs until the overlap ends"
    RETIRED = "retired", "Signs no more"


class SigningKey(models.Model):
    """An Ed25519 key pair that signs checkpoints and manifests. A retired one keeps only its public key."""

    state = models.CharField(max_length=10, choices=KeyState.choices)
    name = models.CharField(max_length=200)  # as in notes: the origin of the log when the key was made
    fingerprint = models.CharField(max_length=8)  # of name and key, hexadecimal: what notes call its hash
    public_key = models.CharField(max_length=44, unique=True)  # 32 bytes in base64
    private_key = SealedField(blank=True)  # 32 bytes, sealed
    created_at = models.DateTimeField(default=timezone.now)
    signs_until = models.DateTimeField(null=True)  # of a leaving or retired key

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=Q(state="active"), name="signing_key_one_active"),
            models.CheckConstraint(
                condition=Q(state="retired", private_key="", signs_until__isnull=False)
                | (Q(state="leaving", signs_until__isnull=False) & ~Q(private_key=""))
                | (Q(state="active", signs_until=None) & ~Q(private_key="")),
                name="signing_key_retired_keeps_none",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}+{self.fingerprint}"


class Publication(models.Model):
    """What was last published to one place, and since when that fails."""

    place = models.CharField(max_length=20, unique=True)  # the name of a way in publishing.py
    size = models.BigIntegerField(default=0)  # of the newest checkpoint that went there
    published_at = models.DateTimeField(null=True)
    tried_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.place}: {self.size}"


class LogRetention(models.Model):
    """The one row that says when old entries of the log were last deleted, and since when that fails."""

    THE_ROW = 1

    next_at = models.DateTimeField(default=timezone.now)
    held_until = models.DateTimeField(null=True)  # by the worker that does it
    done_at = models.DateTimeField(null=True)
    deleted = models.BigIntegerField(default=0)  # entries, the last time that there were any
    file = models.CharField(max_length=255, blank=True)  # the last one of them
    failing_since = models.DateTimeField(null=True)
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"retention, due at {self.next_at:%Y-%m-%d %H:%M} UTC"

    @classmethod
    def current(cls) -> LogRetention:
        """Return the row, which is made when there is none."""
        return cls.objects.get_or_create(pk=cls.THE_ROW)[0]
