"""Principals that are no people."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from activity.addresses import numbered


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
