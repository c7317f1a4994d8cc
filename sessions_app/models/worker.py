"""The workers that are running, by what they last wrote of themselves."""

from __future__ import annotations

from django.db import models


class WorkerHeartbeat(models.Model):
    """One worker process. The row goes when it stops cleanly, and grows old when it dies."""

    owner = models.CharField(max_length=60, unique=True)  # as in the leases of sessions
    host = models.CharField(max_length=120)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.owner
