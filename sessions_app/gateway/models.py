"""Tables of the gateway: its processes, the connections through them, and the tickets that let people in.

Each connection is one row, on which a gateway confirms what it enforced. Only the hash of a ticket's secret is kept.
"""

from __future__ import annotations

import hashlib
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from sessions_app.heartbeat_of_process import HeartbeatOfProcess
from sessions_app.hosts.models import UserKey
from sessions_app.logins.models import LoginSession
from sessions_app.privileged.models import ControlRequest, PrivilegedSession
from sessions_app.sealing import SealedField


class GatewayHostKey(models.Model):
    """The key that every gateway of this installation shows to clients; one of each kind."""

    kind = models.CharField(max_length=40, unique=True)  # as in SSH: ssh-ed25519
    public_key = models.TextField()
    fingerprint = models.CharField(max_length=60)
    private_key = SealedField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


class GatewayHeartbeat(HeartbeatOfProcess):
    """A gateway process."""

    is_draining = models.BooleanField(default=False)  # takes no new connections

    class Meta:
        default_permissions = ("view",)


class EntryPoint(models.TextChoices):
    """How a person came in."""

    SSH = "ssh", "SSH client"
    BROWSER = "browser", "Browser"


class ConnectionEnd(models.TextChoices):
    """Why a connection is over."""

    CLOSED = "closed", "Closed by the user"
    HOST = "host", "Closed by the host"
    TERMINATED = "terminated", "Terminated"
    ENDED = "ended", "The session ended"
    LOGGED_OUT = "logged_out", "Logged out of the console"
    REVOKED = "revoked", "Account or key no longer valid"
    DRAINED = "drained", "The gateway stopped"
    LOST = "lost", "Lost with its gateway"
    FAILED = "failed", "Failed"


class GatewayConnectionQuerySet(models.QuerySet["GatewayConnection"]):
    """The queries about connections that several callers need."""

    def open(self) -> Self:
        """Select the connections that have not ended."""
        return self.filter(ended_at=None)


class GatewayConnection(models.Model):
    """A connection of a person through a gateway to the host of a session."""

    session = models.ForeignKey(PrivilegedSession, models.PROTECT, related_name="connections")
    gateway = models.CharField(max_length=60)  # the owner of its heartbeat
    entry_point = models.CharField(max_length=10, choices=EntryPoint.choices)
    address = models.GenericIPAddressField(null=True)
    client = models.CharField(max_length=120, blank=True)  # what the client calls itself
    key = models.ForeignKey(UserKey, models.SET_NULL, null=True, related_name="+")
    fingerprint = models.CharField(max_length=60, blank=True)  # of that key; stays when the key is removed
    login_session = models.ForeignKey(LoginSession, models.SET_NULL, null=True, related_name="connections")
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=12, choices=ConnectionEnd.choices, blank=True)
    bytes_in = models.BigIntegerField(default=0)  # from the client
    bytes_out = models.BigIntegerField(default=0)  # to the client
    host_port = models.PositiveIntegerField(null=True)  # of the gateway, towards the host; only of a terminal
    # What the gateway last enforced here: the number of the newest ControlRequest it saw, whether the terminal is
    # frozen since, and when.
    confirmed_control = models.BigIntegerField(default=0)
    is_frozen = models.BooleanField(default=False)
    confirmed_at = models.DateTimeField(null=True)

    objects = GatewayConnectionQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["session", "id"], name="connection_session"),
            models.Index(fields=["gateway"], name="connection_open", condition=Q(ended_at=None)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at=None, end_reason="") | Q(ended_at__isnull=False) & ~Q(end_reason=""),
                name="connection_end_has_reason",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_entry_point_display()} from {self.address or 'an unknown address'}"


class GatewayEnforcement(models.Model):
    """What a gateway did about one request on its connections, and from when to when."""

    control = models.ForeignKey(ControlRequest, models.CASCADE, related_name="gateways")
    gateway = models.CharField(max_length=60)  # the owner of its heartbeat
    connections = models.PositiveIntegerField(default=0)
    began_at = models.DateTimeField()  # on the first of them
    ended_at = models.DateTimeField(null=True)  # a newer request is in force, or its last connection ended

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["control", "gateway"], name="enforcement_once_a_gateway")]
        indexes = [models.Index(fields=["control"], name="enforcement_open", condition=Q(ended_at=None))]

    def __str__(self) -> str:
        return f"{self.control} at {self.gateway}"


class TicketKind(models.TextChoices):
    """What a ticket opens."""

    PASSWORD = "password", "One-time password"
    TERMINAL = "terminal", "Terminal in the browser"
    WATCH = "watch", "Live view"


def hash_ticket(secret: str) -> str:
    """Return the SHA-256 in hex. Tickets are random and have 128 bits or more, so they need no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


class GatewayTicket(models.Model):
    """Lets one person into one session once, within its time and from its address."""

    kind = models.CharField(max_length=10, choices=TicketKind.choices)
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    session = models.ForeignKey(PrivilegedSession, models.CASCADE, related_name="+")
    login_session = models.ForeignKey(LoginSession, models.CASCADE, null=True, related_name="+")
    address = models.GenericIPAddressField(null=True)
    is_confirmed = models.BooleanField(default=False)  # whether a second factor was fresh when it was issued
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.user_id} for session {self.session_id}"
