"""Locks of resources."""

from __future__ import annotations

from django.db import models

from sessions_app.catalogue.models import Resource
from sessions_app.people.models import Lock, LockQuerySet


class ResourceLock(Lock):
    """Lets no new session start on the resource, until it is lifted."""

    resource = models.ForeignKey(Resource, models.CASCADE, related_name="locks")

    objects = LockQuerySet["ResourceLock"].as_manager()

    class Meta:
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["resource"], condition=models.Q(lifted_at=None), name="resource_lock_stands_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.resource}: {self.title}"
