"""SSH keys of the certificate authority, keys by which SessionAdmin logs in to hosts, and keys that people registered.

Private keys are encrypted (sessions_app/sealing.py), and sessions_app/hosts/ssh reads them. No repr and no str shows
one. Also the last looks at hosts, the comparisons, and the identity of the console.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from sessions_app.catalogue.models import Resource
from sessions_app.hosts.host_watch import CLOCK_IS_OFF, MOST_BELIEVED
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.sealing import SealedField


class AuthorityState(models.TextChoices):
    """The state of an authority.

    Hosts learn to trust `next` before it signs, and forget `retired` after it has signed for the last time.
    """

    NEXT = "next", "Next"
    ACTIVE = "active", "Active"
    RETIRED = "retired", "Retired"


class CertificateAuthority(models.Model):
    """A key pair that signs SSH user certificates. A retired one keeps only its public key."""

    state = models.CharField(max_length=10, choices=AuthorityState.choices)
    public_key = models.TextField()  # one line: type and base64
    fingerprint = models.CharField(max_length=60, unique=True)
    private_key = SealedField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True)
    trusted_until = models.DateTimeField(null=True)  # until when hosts accept a retired authority

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
    """A public key by which a person logs in to hosts during their sessions. Two people cannot have the same key."""

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


# A look that has not ended by then died with its worker: longer than connecting and both steps may take.
GIVEN_UP = dt.timedelta(seconds=160)


class HostWatchQuerySet(models.QuerySet["HostWatch"]):
    """Selections of the logon monitor."""

    def to_be_looked_at(self, now: dt.datetime, interval: dt.timedelta) -> Self:
        """Return hosts whose last look is older than `interval`, and at which nobody is looking.

        A last look in the future counts as old, because a clock was wrong.
        """
        is_over = Q(ended_at__gte=F("began_at")) | Q(began_at__lte=now - GIVEN_UP) | Q(began_at__gt=now + GIVEN_UP)
        is_old = Q(began_at__lte=now - interval) | Q(began_at__gt=now + interval)
        return self.filter(Q(began_at=None) | (is_over & is_old))

    def clock_off(self, resource_id: int) -> float:
        """Return by how many seconds the host's clock was ahead of ours at the last look, at most a day.

        It is negative if the clock was behind, and zero if it is not known.
        """
        found = self.filter(resource=resource_id).values_list("clock_off", flat=True).first() or 0.0
        return max(-MOST_BELIEVED, min(MOST_BELIEVED, found))

    def outdate(self, resource_id: int) -> None:
        """Make the last look invalid, because somebody has come or gone since.

        The next one who asks looks again, and the result of a look that is running does not count.
        """
        self.filter(resource=resource_id).update(began_at=None)


class HostWatch(models.Model):
    """The last look at a resource.

    A worker that looks sets `began_at` by compare-and-swap, so that only one does.
    """

    resource = models.OneToOneField(Resource, models.CASCADE, related_name="watch")
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)  # before began_at: a look is under way
    problem = models.CharField(max_length=300, blank=True)  # why the last look failed
    clock_off = models.FloatField(null=True)  # seconds that the host's clock is ahead of ours
    # Session number -> is_logged_on, through what (text, address, details), how far its host's log was read.
    found = models.JSONField(default=dict)

    objects = HostWatchQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"Last look at {self.resource}"

    @property
    def is_under_way(self) -> bool:
        """Return whether there is no valid answer now.

        Somebody is looking, or died while looking, or should look.
        """
        return self.began_at is None or self.ended_at is None or self.ended_at < self.began_at

    @property
    def has_wrong_clock(self) -> bool:
        """Return whether the two clocks were a minute or more apart at the last look."""
        return self.clock_off is not None and abs(self.clock_off) >= CLOCK_IS_OFF


class HostComparison(models.Model):
    """The two looks at the host of one session, if its connection profile asks for them.

    `before` is stored here and not on the host, where it could be changed. It is emptied after the second look.
    """

    session = models.OneToOneField(PrivilegedSession, models.CASCADE, related_name="comparison")
    before = models.JSONField(default=dict)  # kind -> name -> value
    before_at = models.DateTimeField(null=True)
    news = models.JSONField(default=list)  # [what happened, kind, name, value]
    after_at = models.DateTimeField(null=True)  # none: not compared yet
    problem = models.CharField(max_length=300, blank=True)  # what was not compared, and why

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Host of {self.session_id} before and after"


class ConsoleIdentity(models.Model):
    """A single row with the identity by which hosts tell this console's grants from another console's.

    It is restored with a backup.
    """

    value = models.UUIDField(default=uuid.uuid4, editable=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def text(cls) -> str:
        """Return the identity. The first call makes it."""
        return str(cls.objects.get_or_create(pk=1)[0].value)
