"""The devices from which a person logs in. Only a hash of what their cookie says is stored."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

NAME_LENGTH = 60
NOT_KNOWN = ("", "Unknown")


class RecognisedBy(models.TextChoices):
    """How the console knew the device of a login, or that it did not know it."""

    COOKIE = "cookie", "By its cookie"
    ALIKE = "alike", "By browser, country and network"  # those of a device of the last 30 days, without its cookie
    FIRST = "first", "First login of the account"
    NEW = "new", "New device"


class Device(models.Model):
    """One browser in which one person has logged in. Two people who share a browser have a row each."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="devices")
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    name = models.CharField(max_length=NAME_LENGTH, blank=True)  # given by the person: "work laptop"
    kind = models.CharField(max_length=10, blank=True)  # desktop, mobile and so on, as of the last login
    os = models.CharField("operating system", max_length=60, blank=True)
    browser = models.CharField(max_length=60, blank=True)
    country_code = models.CharField(max_length=2, blank=True)
    network = models.CharField(max_length=60, blank=True)  # network_of() in recognition.py
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["user", "last_seen_at"], name="device_of_user")]

    def __str__(self) -> str:
        return self.name or self.software

    @property
    def software(self) -> str:
        """Return browser and system, such as "Firefox on Linux"."""
        browser = self.browser if self.browser not in NOT_KNOWN else "Unknown browser"
        return f"{browser} on {self.os if self.os not in NOT_KNOWN else 'an unknown system'}"
