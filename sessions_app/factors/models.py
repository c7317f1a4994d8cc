"""What the console keeps of second factors.

A factor that a person set up is a row of django-allauth's Authenticator, which has its name and its last use. The
tables here keep the secret of an authenticator app sealed, where rotate_encryption finds it, and the recovery codes
hashed.
"""

from __future__ import annotations

from typing import Self

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import models
from django.utils import timezone

from sessions_app.sealing import SealedField


class TotpSecret(models.Model):
    """The secret that a person's authenticator app shares with the console, and the time step of the last used code."""

    authenticator = models.OneToOneField(Authenticator, models.CASCADE, primary_key=True, related_name="totp_secret")
    secret = SealedField()
    # A code of this time step or an earlier one is refused (RFC 6238, 5.2).
    last_step = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "authenticator apps"

    def __str__(self) -> str:
        return f"Authenticator app {self.authenticator_id}"


class FactorRule(models.Model):
    """Whether one person must have a second factor, and how often they logged in without the one that is required."""

    NO_GRACE = 32_767  # more logins than any setting allows

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="factor_rule")
    is_required = models.BooleanField(null=True)  # None: as the settings of sign-in say
    grace_used = models.PositiveSmallIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Second factor of account {self.user_id}"


class RecoveryCodeQuerySet(models.QuerySet["RecoveryCode"]):
    """Selections of recovery codes."""

    def unused(self) -> Self:
        return self.filter(used_at=None)


class RecoveryCode(models.Model):
    """One of ten codes, each good for one login. All ten of a person have one salt, so that a try costs one hash."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="recovery_codes")
    salt = models.CharField(max_length=32, editable=False)
    code_hash = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True)

    objects = RecoveryCodeQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "code_hash"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"Recovery code {self.pk}"
