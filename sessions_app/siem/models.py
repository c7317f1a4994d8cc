"""Destinations to which the activity log is sent, and how far each delivery is.

The settings and the state are two tables, because people change the one and a worker the other. Certificate keys and
secrets of webhooks are sealed (sessions_app/sealing.py).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from activity.models import Level, LogEntry
from sessions_app.sealing import SealedField, unseal

SMALLEST_MESSAGE, LARGEST_MESSAGE = 2048, 1024 * 1024  # bytes


class Transport(models.TextChoices):
    """How messages get to a destination."""

    TLS = "tls", "Syslog over TLS"
    TCP = "tcp", "Syslog over TCP, not encrypted"
    UDP = "udp", "Syslog over UDP, not encrypted"
    WEBHOOK = "webhook", "HTTPS webhook"


class Format(models.TextChoices):
    """How a message is written."""

    RFC5424 = "rfc5424", "RFC 5424 with structured data"
    CEF = "cef", "CEF 0"
    LEEF = "leef", "LEEF 2.0"
    OCSF = "ocsf", "JSON in OCSF 1.5"
    JSON = "json", "JSON of the log"


FORMATS_OF_WEBHOOKS = (Format.JSON, Format.OCSF)
SYSLOG = (Transport.TLS, Transport.TCP, Transport.UDP)


class Destination(models.Model):
    """A place that gets the entries of the log, each at least once and in order."""

    name = models.CharField(max_length=60, unique=True)
    is_active = models.BooleanField("deliver to it", default=True)
    transport = models.CharField("delivery", max_length=10, choices=Transport.choices, default=Transport.TLS)
    format = models.CharField(max_length=10, choices=Format.choices, default=Format.RFC5424)
    host = models.CharField("host name or address", max_length=253, blank=True)
    port = models.PositiveIntegerField(default=6514, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    url = models.URLField("address", max_length=500, blank=True)
    allows_private = models.BooleanField("may be in the own network", default=False)
    server_name = models.CharField("name in its certificate", max_length=253, blank=True)
    authorities = models.TextField("certificates to trust", blank=True)  # PEM; empty: those of the system
    client_certificate = models.TextField(blank=True)  # PEM, with the chain
    client_key = SealedField("client key", blank=True)
    secret = SealedField(blank=True)
    former_secret = SealedField(blank=True)  # signs too, until everybody knows the new one
    largest = models.PositiveIntegerField(
        "largest message",
        default=8192,
        validators=[MinValueValidator(SMALLEST_MESSAGE), MaxValueValidator(LARGEST_MESSAGE)],
    )
    minimum_level = models.SmallIntegerField("lowest level", choices=Level.choices, default=Level.DEBUG)
    groups = models.JSONField("kinds of entries", default=list, blank=True)  # of verbs; none: all
    outcomes = models.JSONField(default=list, blank=True)  # none: all
    has_checkpoints = models.BooleanField("send checkpoints of the sealed log", default=True)
    silence = models.DurationField("report silence after", default=dt.timedelta(minutes=15))
    heartbeat = models.DurationField("heartbeat", default=dt.timedelta(hours=1), null=True, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "SIEM destination"
        constraints = [
            models.CheckConstraint(
                condition=~Q(transport="webhook") | (~Q(url="") & ~Q(secret="")), name="siem_webhook_is_whole"
            ),
            models.CheckConstraint(condition=Q(transport="webhook") | ~Q(host=""), name="siem_syslog_has_host"),
            models.CheckConstraint(
                condition=Q(client_certificate="", client_key="") | (~Q(client_certificate="") & ~Q(client_key="")),
                name="siem_certificate_with_key",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("siem_destination", args=[self.pk])

    @property
    def is_webhook(self) -> bool:
        return self.transport == Transport.WEBHOOK

    @property
    def place(self) -> str:
        """Return where it is, in short."""
        return self.url if self.is_webhook else f"{self.host}:{self.port}"

    def secrets(self) -> list[str]:
        """Return the secrets that sign for a webhook, the current one first. Raise SealingError."""
        return [unseal(sealed).decode() for sealed in (self.secret, self.former_secret) if sealed]

    def wants(self, entry: LogEntry) -> bool:
        """Return whether the filter of the destination lets the entry through."""
        return (
            entry.level >= self.minimum_level
            and (not self.groups or entry.verb.partition(".")[0] in self.groups)
            and (not self.outcomes or entry.outcome in self.outcomes)
        )


class DeliveryState(models.Model):
    """How far the delivery to one destination is. The worker that holds the lease writes it."""

    destination = models.OneToOneField(Destination, models.CASCADE, primary_key=True, related_name="state")
    cursor = models.BigIntegerField(default=0)  # the newest entry that was sent or left out
    # The newest entry that the destination surely has. After a connection has broken, sending goes on from here.
    confirmed = models.BigIntegerField(default=0)
    checkpoint = models.BigIntegerField(default=0)  # the newest checkpoint that was sent
    pruned = models.BigIntegerField(default=0)  # the newest entry about a pruning that was looked at
    lease = models.CharField(max_length=60, blank=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)  # failures since the last delivery
    next_attempt_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    failed_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    delivered = models.BigIntegerField(default=0)  # messages
    silent_since = models.DateTimeField(null=True)  # while silence is reported
    began_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"delivery to {self.destination_id} up to {self.cursor}"

    def set(self, owner: str, **values: Any) -> bool:
        """Write fields if `owner` still has the lease. Return whether it has."""
        rows = DeliveryState.objects.filter(pk=self.pk, lease=owner).update(**values)
        for name, value in values.items():
            setattr(self, name, value)
        return bool(rows)
