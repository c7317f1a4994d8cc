"""Tables of the worker: heartbeats, the row of the write check, and the name by which hosts know this console."""

from __future__ import annotations

from django.db import models

from sessions_app.heartbeat_of_process import HeartbeatOfProcess


class WorkerHeartbeat(HeartbeatOfProcess):
    """One worker process. Its owner is the same name as in the leases of sessions."""

    class Meta:
        default_permissions = ("view",)


class WebHeartbeat(HeartbeatOfProcess):
    """One `sessionadmin serve` with the web processes that it started, which have the same clock."""

    class Meta:
        default_permissions = ()


class HealthMark(models.Model):
    """The one row that is written to check whether the database can be written (worker/health/writing.py)."""

    written_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Written at {self.written_at:%Y-%m-%d %H:%M:%S} UTC"
