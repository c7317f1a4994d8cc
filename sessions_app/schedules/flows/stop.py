"""Stop a schedule whose owner may not have its exports any more."""

from __future__ import annotations

from django.db import transaction

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.schedules.models import Schedule, ScheduledExport


def stop(schedule: Schedule, reason: str) -> None:
    """Stop it, send no more mails, and say so in the log. Nobody is mailed. Nothing happens twice."""
    with transaction.atomic():
        running = Schedule.objects.filter(pk=schedule.pk, stopped_because="")
        if not running.update(stopped_because=reason, held_until=None):
            return
        kept = ScheduledExport.objects.filter(schedule=schedule, removed_at=None)
        kept.update(mail_next_at=None)
        log.record(
            Verb.SCHEDULE_STOPPED,
            f"Stopped the scheduled export “{schedule.view_name}” of {schedule.owner.get_username()}: {reason}",
            user=schedule.owner,
            target=schedule,
            level=Level.WARNING,
            details={"reason": reason},
        )
