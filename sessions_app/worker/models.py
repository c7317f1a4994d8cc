"""Tables of the worker: heartbeats, the row of the write check, and the name by which hosts know this console."""

from __future__ import annotations

from django.db import models


class WorkerHeartbeat(models.Model):
    """One worker process. Its row is deleted when it stops in order, and grows old when it dies."""

    owner = models.CharField(max_length=60, unique=True)  # the same name as in the leases of sessions
    host = models.CharField(max_length=120)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
    clock_ahead = models.FloatField(null=True)  # seconds ahead of the database's clock; none on SQLite

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.owner


class HealthMark(models.Model):
    """The one row that is written to check whether the database can be written (worker/health/writing.py)."""

    written_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Written at {self.written_at:%Y-%m-%d %H:%M:%S} UTC"
