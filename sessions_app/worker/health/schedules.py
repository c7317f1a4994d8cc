"""Check that scheduled exports are made and mailed, and name those that stopped."""

from __future__ import annotations

import datetime as dt

from django.db.models import Q
from django.utils import timezone

from sessions_app.schedules.models import Schedule, ScheduledExport
from sessions_app.worker.health.findings import Finding, ok, warning

NAME = "Scheduled exports"
MOST_NAMED = 5
LATE = dt.timedelta(minutes=30)


def schedules() -> Finding:
    """Check for exports that stopped, failed or are late, and for mails that could not be sent."""
    now = timezone.now()
    wrong = Schedule.objects.filter(
        ~Q(stopped_because="") | ~Q(problem="") | Q(is_paused=False, next_at__lt=now - LATE), is_paused=False
    )
    said = [_words(each) for each in wrong.select_related("owner").order_by("-pk")[: MOST_NAMED + 1]]
    mails = ScheduledExport.objects.filter(mail_next_at__isnull=False, expires_at__gt=now).exclude(mail_problem="")
    if waiting := mails.count():
        said.insert(0, f"{waiting} mails with links could not be sent, and are tried again")
    if not said:
        return ok(NAME, f"{Schedule.objects.running().count()} are running.")
    more = ". And more" if len(said) > MOST_NAMED else ""
    remedy = "Open Scheduled exports and delete those of people who left. For mails, look at EMAIL_HOST."
    return warning(NAME, f"{'. '.join(one.rstrip('.') for one in said[:MOST_NAMED])}{more}.", remedy)


def _words(schedule: Schedule) -> str:
    name = f"“{schedule.view_name}” of {schedule.owner.get_username()}"
    if schedule.stopped_because:
        return f"{name} stopped: {schedule.stopped_because}"
    if schedule.problem:
        return f"{name} was not made: {schedule.problem}"
    return f"{name} is late"
