"""What a process of the console notes again and again, so that everybody sees that it runs and how its clock stands."""

from __future__ import annotations

import datetime as dt
import socket
from typing import Any, Self

from django.db import models
from django.utils import timezone

from sessions_app.database_clock import ahead_of_database

FORGOTTEN_AFTER = dt.timedelta(hours=1)  # after which the row of a process that died is deleted


class HeartbeatOfProcess(models.Model):
    """One process. Its row is deleted when it stops in order, and grows old when it dies."""

    owner = models.CharField(max_length=60, unique=True)
    host = models.CharField(max_length=120)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
    clock_ahead = models.FloatField(null=True)  # seconds ahead of the database's clock; none on SQLite

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.owner

    @classmethod
    def beat(cls, owner: str, **more: Any) -> None:
        """Note that this process is running. At its first heartbeat, delete those of processes that died long ago."""
        now = timezone.now()
        noted = {"seen_at": now, "clock_ahead": ahead_of_database(), **more}
        rows = cls._default_manager.all()
        if rows.filter(owner=owner).update(**noted):
            return
        rows.exclude(seen_at__range=(now - FORGOTTEN_AFTER, now + FORGOTTEN_AFTER)).delete()
        rows.create(owner=owner, host=socket.gethostname()[:120], started_at=now, **noted)

    @classmethod
    def stopped(cls, owner: str) -> None:
        """Note that this process stopped in order."""
        cls._default_manager.filter(owner=owner).delete()

    @classmethod
    def seen_within(cls, silent_after: dt.timedelta) -> list[Self]:
        """Return the processes that were seen in this time, the oldest first."""
        seen = cls._default_manager.filter(seen_at__gte=timezone.now() - silent_after)
        return list(seen.order_by("started_at", "pk"))
