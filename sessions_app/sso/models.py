"""Whose account at a provider is whose here, what a login by a provider needs for its end, and used logout tokens."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from sessions_app.logins.models import LoginSession
from sessions_app.sealing import SealedField


class Identity(models.Model):
    """One account at a provider, which logs in one account here.

    It is known by issuer and subject only: an e-mail address or a name can be given to somebody else.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="identities")
    provider = models.CharField(max_length=40)  # the slug in the settings when it was linked
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    linked_at = models.DateTimeField(default=timezone.now)
    linked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    last_login_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "identities"
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="identity_is_one_account")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class ProviderLogin(models.Model):
    """A login session that a provider began: who it was there, and what a logout needs."""

    login = models.OneToOneField(LoginSession, models.CASCADE, primary_key=True, related_name="by_provider")
    identity = models.ForeignKey(Identity, models.SET_NULL, null=True, related_name="logins")
    provider = models.CharField(max_length=40)
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    session_id = models.CharField(max_length=255, blank=True)  # the session at the provider (`sid`)
    id_token = SealedField(blank=True)  # the hint for the logout at the provider

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["subject"], name="provider_login_subject")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class LogoutToken(models.Model):
    """A logout token that a provider has sent. Each counts once; it also ends a login that is only just beginning."""

    digest = models.CharField(max_length=64, unique=True)  # of issuer and `jti`
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255, blank=True)
    session_id = models.CharField(max_length=255, blank=True)
    received_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Logout token of {self.issuer}"


class BreakGlassUse(models.Model):
    """A login with a break-glass account, of which the administrators are told by mail."""

    login = models.OneToOneField(LoginSession, models.CASCADE, primary_key=True, related_name="+")
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["login"], name="break_glass_waiting", condition=models.Q(mailed_at=None))]

    def __str__(self) -> str:
        return str(self.login)


class SamlKey(models.Model):
    """The key pair of the console for SAML (saml_keys.py), which is one row."""

    ONLY_ROW = 1

    certificate = models.TextField(editable=False)
    private_key = SealedField()
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        default_permissions = ()
        verbose_name = "SAML key"

    def __str__(self) -> str:
        return f"SAML key of {self.made_at:%Y-%m-%d}"


class SamlMessage(models.Model):
    """An assertion or a logout request by SAML that was used. Each counts once."""

    digest = models.CharField(max_length=64, unique=True)  # of issuer and id
    expires_at = models.DateTimeField(db_index=True)  # afterwards it is refused because it is too old

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"SAML message until {self.expires_at}"
