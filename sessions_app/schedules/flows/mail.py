"""Mail the links of exports, never what is in them. What cannot be sent is tried again until the link expires."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.utils import timezone

from activity import log
from activity.listing import exact_time
from activity.models import Level
from activity.verbs import Verb
from sessions_app.people.letters import letter, send
from sessions_app.people.personal import settings_of, zone_for_mail
from sessions_app.schedules.flows.stop import stop
from sessions_app.schedules.models import ScheduledExport
from sessions_app.schedules.rights import refusal, refusal_of_file

AGAIN_AFTER = dt.timedelta(minutes=10)


def send_waiting() -> None:
    """Send each mail that waits. Whoever lost the right meanwhile gets none."""
    now = timezone.now()
    waiting = ScheduledExport.objects.filter(mail_next_at__lte=now, removed_at=None, expires_at__gt=now)
    for export in waiting.select_related("schedule__owner").order_by("mail_next_at"):
        taken = ScheduledExport.objects.filter(pk=export.pk, mail_next_at=export.mail_next_at)
        if not taken.update(mail_next_at=now + AGAIN_AFTER):
            continue  # another worker sends it
        if reason := refusal(export.schedule):
            stop(export.schedule, reason)
        elif reason := _why_not(export):
            ScheduledExport.objects.filter(pk=export.pk).update(mail_next_at=None, mail_problem=reason)
        else:
            _send(export)


def _why_not(export: ScheduledExport) -> str:
    """Return why no mail is sent about this file; an empty string if one is."""
    return refusal_of_file(export) if export.schedule.owner.email else "The account has no e-mail address."


def _send(export: ScheduledExport) -> None:
    schedule = export.schedule
    with timezone.override(zone_for_mail(settings_of(schedule.owner))):
        lines = [
            f"Your scheduled export “{schedule.view_name}” is ready:",
            "",
            f"{settings.SITE_URL}{export.get_absolute_url()}",
            "",
            f"Log in to fetch it. The link works for you alone, until {exact_time(export.expires_at)}.",
            f"Change or end this export: {settings.SITE_URL}{schedule.get_absolute_url()}",
        ]
    problem = send([letter(schedule.owner, f"Export: {schedule.view_name}", lines)], f"scheduled export {export.pk}")
    row = ScheduledExport.objects.filter(pk=export.pk)
    if not problem:
        row.update(mailed_at=timezone.now(), mail_next_at=None, mail_problem="")
        return
    if row.filter(mail_problem="").update(mail_problem=f"The mail could not be sent ({problem}). It is tried again."):
        text = f"The mail about the export “{schedule.view_name}” could not be sent ({problem}). It is tried again."
        log.record(Verb.MAIL_FAILED, text, user=schedule.owner, target=schedule, level=Level.WARNING)
