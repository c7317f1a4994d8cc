"""Locks on an account and on a resource, and the cutting of everything of an account.

A lock is lifted, never deleted: it is history.
"""

from __future__ import annotations

from typing import Self, TypeVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from activity.addresses import numbered

_Kind = TypeVar("_Kind", bound="Lock")


class LockQuerySet(models.QuerySet[_Kind]):
    """What people select from locks."""

    def standing(self) -> Self:
        """Locks that nobody has lifted."""
        return self.filter(lifted_at=None)


class Lock(models.Model):
    """What every lock says: title and message for the person, who set it and who lifted it, when."""

    title = models.CharField(max_length=120)
    message = models.CharField(max_length=500, blank=True)
    locked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    locked_at = models.DateTimeField(default=timezone.now)
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class AccountLock(Lock):
    """Nobody logs in to this account and none of its sessions starts or goes on, until it is lifted."""

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


class AccountCut(models.Model):
    """An accepted request to cut everything of an account: carried out, however often somebody has to begin anew."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=120)
    accepted_at = models.DateTimeField(default=timezone.now)
    lines = models.JSONField(default=list)  # what was done when it was accepted: [whether it worked, the sentence]
    done_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["accepted_at"], name="account_cut_open", condition=models.Q(done_at=None))]

    def __str__(self) -> str:
        return f"{self.user}: {self.reason}"


class Application(models.Model):
    """A non-human principal: a user row without a password, named in policies like any user.

    Until it has an API of its own, administrators request sessions on its behalf.
    """

    principal = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="application")
    description = models.TextField(blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["principal__username"]

    def __str__(self) -> str:
        return self.principal.get_username()

    def get_absolute_url(self) -> str:
        """The application's page."""
        return numbered("application", self.pk)
