"""Remove the files of exports whose links have expired, and those of stopped schedules."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from sessions_app.schedules import files
from sessions_app.schedules.models import ScheduledExport


def clean() -> None:
    """Remove what nobody may fetch any more. What fails is tried again by the next pass. Raises OSError."""
    now = timezone.now()
    over = Q(expires_at__lte=now) | ~Q(schedule__stopped_because="")
    for export in ScheduledExport.objects.filter(over, removed_at=None):
        files.remove(export.stored_as)
        ScheduledExport.objects.filter(pk=export.pk).update(removed_at=now, mail_next_at=None)
    kept = ScheduledExport.objects.filter(removed_at=None)
    files.remove_abandoned(lambda name: kept.filter(stored_as=name).exists())
