"""Applications, personal settings, locks of accounts, and requests to end all access of an account.

A lock is lifted and never deleted, because it is history.
"""

from __future__ import annotations

from typing import Self, TypeVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from activity.addresses import numbered

_Kind = TypeVar("_Kind", bound="Lock")


class LockQuerySet(models.QuerySet[_Kind]):
    """The queries about locks that several callers need."""

    def in_force(self) -> Self:
        """Return the locks that nobody has lifted."""
        return self.filter(lifted_at=None)


class Lock(models.Model):
    """The fields of every lock: title and message for the person, and who set and lifted it, when."""

    title = models.CharField(max_length=120)
    message = models.CharField(max_length=500, blank=True)
    locked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    locked_at = models.DateTimeField(default=timezone.now)
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class AccountLock(Lock):
    """Lets nobody log in to the account, and lets none of its sessions start or continue, until it is lifted."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="account_locks")

    objects = LockQuerySet["AccountLock"].as_manager()

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(lifted_at=None), name="account_lock_stands_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.title}"


class AccountLockdown(models.Model):
    """An accepted request to end all access of an account.

    The worker finishes it if the process that accepted it could not.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=120)
    accepted_at = models.DateTimeField(default=timezone.now)
    lines = models.JSONField(default=list)  # what was done when it was accepted: [whether it worked, the sentence]
    done_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["accepted_at"], name="account_lockdown_open", condition=models.Q(done_at=None))]

    def __str__(self) -> str:
        return f"{self.user}: {self.reason}"


class InitialPassword(models.Model):
    """Says that somebody else chose the password of an account: logins/initial_passwords.py."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.user)


class Application(models.Model):
    """A principal that is no person: a user account without a password, which policies name like any user.

    Applications have no API yet, so administrators request sessions for them.
    """

    principal = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="application")
    description = models.TextField(blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["principal__username"]

    def __str__(self) -> str:
        return self.principal.get_username()

    def get_absolute_url(self) -> str:
        return numbered("application", self.pk)


class Theme(models.TextChoices):
    """Which colours pages have. The values are those of the cookie."""

    SYSTEM = "", "As the system says"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class Density(models.TextChoices):
    """How close the rows of lists stand. The values are those of the cookie."""

    COMFORTABLE = "", "Comfortable"
    COMPACT = "compact", "Compact"


class StartPage(models.TextChoices):
    """The page after a login that was for no other page. The values are names of addresses."""

    OVERVIEW = "home", "Overview"
    SESSIONS = "sessions", "Sessions"
    APPROVALS = "approvals", "Approvals"
    LOGINS = "logins", "Session Information"
    LOG = "activity_log", "Activity log"


class PersonalSettings(models.Model):
    """What one person has chosen for themselves. Who never chose has no row."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    zone = models.CharField("time zone", max_length=60, blank=True)  # empty: the browser's
    theme = models.CharField(max_length=5, choices=Theme.choices, blank=True)
    density = models.CharField(max_length=7, choices=Density.choices, blank=True)
    start_page = models.CharField(max_length=12, choices=StartPage.choices, default=StartPage.OVERVIEW)
    mails_approvals = models.BooleanField("when somebody waits for my approval", default=True)
    mails_sessions = models.BooleanField("about what becomes of my requests and sessions", default=True)

    class Meta:
        default_permissions = ()
        verbose_name = "personal settings"

    def __str__(self) -> str:
        return str(self.user)
