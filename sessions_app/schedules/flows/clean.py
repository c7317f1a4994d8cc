"""Remove the files of exports whose links have expired, and those of stopped schedules."""

from __future__ import annotations

import logging

from django.db.models import Q
from django.utils import timezone

from sessions_app.schedules import files
from sessions_app.schedules.models import ScheduledExport

logger = logging.getLogger(__name__)


def clean() -> None:
    """Remove what nobody may fetch any more. What fails is tried again by the next pass."""
    now = timezone.now()
    over = Q(expires_at__lte=now) | ~Q(schedule__stopped_because="")
    for export in ScheduledExport.objects.filter(over, removed_at=None):
        try:
            files.remove(export.stored_as)
        except OSError:
            logger.exception("The file of scheduled export %s was not removed; trying again", export.pk)
        else:
            ScheduledExport.objects.filter(pk=export.pk).update(removed_at=now, mail_next_at=None)
    files.remove_abandoned(set(ScheduledExport.objects.filter(removed_at=None).values_list("stored_as", flat=True)))
