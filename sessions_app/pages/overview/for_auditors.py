"""The parts that auditors see: figures of the last week, downloads, and what nobody has looked at."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db.models import Count, Value
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from activity.listing import badge
from activity.models import Level, LogEntry
from activity.tables import message_text
from activity.verbs import Verb
from sessions_app.gateway.recordings.models import Recording
from sessions_app.hosts.models import HostComparison
from sessions_app.logins.models import LoginSession
from sessions_app.pages.overview.lines import MOST_LINES, Line, Lines, when
from sessions_app.privileged.models import ENDED, PrivilegedSession, Status

WEEK = dt.timedelta(days=7)
NEWEST = 100  # recordings and comparisons among which those are looked for that nobody has opened
LOOKED_AT = (Verb.RECORDING_VIEWED, Verb.RECORDING_WATCHED, Verb.RECORDING_DOWNLOADED)


def figures(person: AbstractUser) -> dict[str, Any]:
    """Return what happened in the last seven days, as numbers."""
    since = timezone.now() - WEEK
    requested = PrivilegedSession.objects.filter(requested_at__gte=since).count()
    ended = PrivilegedSession.objects.filter(ended_at__gte=since).order_by()
    # By an expression, so that SQLite does not walk over all sessions in the index of statuses.
    by_status = dict(ended.values_list(Coalesce("status", Value(""))).annotate(Count("pk")))
    entries = LogEntry.objects.filter(at__gte=since)
    rows = [
        ("Sessions requested", requested),
        *((f"Sessions ended as {status.label}", by_status.get(status, 0)) for status in Status if status in ENDED),
        ("Logins", LoginSession.objects.filter(created_at__gte=since).count()),
        ("Warnings and errors", entries.filter(level__gte=Level.WARNING).count()),
        ("Downloads", entries.filter(verb=Verb.EXPORTED).count()),
    ]
    return {"rows": rows, "more": ("Activity log of the period", f"{reverse('activity_log')}?period=7d")}


def exports(person: AbstractUser) -> Lines:
    """Return the newest downloads, and a link to download the log of the period."""
    entries = LogEntry.objects.filter(verb=Verb.EXPORTED).order_by("-at", "-pk")[:MOST_LINES]
    return Lines(
        tuple(
            Line(
                message_text(one), reverse("activity_entry", args=[one.pk]), aside=when("", one.at, f"export-{one.pk}")
            )
            for one in entries
        ),
        "Nobody has downloaded a list yet.",
        ("Download the log of the last 7 days", f"{reverse('activity_log')}?period=7d&csv=1"),
    )


def reviews(person: AbstractUser) -> Lines:
    """Return the newest recordings that nobody but their user has opened, and what is new on hosts since a session.

    They are looked for among the newest hundred of each.
    """
    recordings = list(
        Recording.objects.filter(ended_at__isnull=False, removed_at=None)
        .prefetch_related("session")
        .order_by("-pk")[:NEWEST]
    )
    opened = {
        details.get("recording")
        for actor, user, details in LogEntry.objects.filter(
            target_type=PrivilegedSession._meta.label_lower,
            target_id__in={one.session_id for one in recordings},
            verb__in=LOOKED_AT,
        ).values_list("actor_id", "user_id", "details")
        if actor != user  # one's own does not count
    }
    compared = HostComparison.objects.prefetch_related("session").exclude(after_at=None).order_by("-pk")[:NEWEST]
    since = timezone.now() - WEEK
    found = [
        Line(
            f"{one.session}: {len(one.news)} new on the host",
            one.session.get_absolute_url(),
            badge("warning", "Changed host", "warning"),
            when("", one.after_at, f"compared-{one.pk}"),
        )
        for one in compared
        if one.news and one.after_at is not None and one.after_at >= since
    ][:MOST_LINES]
    found += [
        Line(
            str(one.session),
            reverse("recording", args=[one.pk]),
            badge("info", "Not opened", "user"),
            when("", one.ended_at, f"recording-{one.pk}"),
        )
        for one in recordings
        if one.pk not in opened
    ][:MOST_LINES]
    return Lines(
        tuple(found),
        f"Somebody else than its user has opened each of the newest {NEWEST} recordings.",
        ("All recordings", reverse("recordings")),
    )
