"""The workers that are running, by what they last wrote of themselves, a row that is written to see if it works, and
what hosts know this console by."""

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


class HealthMark(models.Model):
    """One row, written by whoever looks whether the database can be written (worker/health/writing.py)."""

    written_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Written at {self.written_at:%Y-%m-%d %H:%M:%S} UTC"
