"""The parts that administrators see. Each costs a constant number of queries, which indexes answer."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db.models import Count, Q, Value
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from activity.listing import badge
from activity.models import LogEntry
from activity.tables import message_text
from activity.verbs import Verb
from sessions_app.hosts.models import HostWatch
from sessions_app.logins.models import LoginSession
from sessions_app.pages.overview.lines import MOST_LINES, Line, Lines, plain_line, session_line, when
from sessions_app.privileged.models import (
    HOLDS_GRANT,
    ControlRequest,
    PrivilegedSession,
    PrivilegedSessionQuerySet,
    Status,
)
from sessions_app.worker.health import checks
from sessions_app.worker.health.findings import Grade
from sessions_app.worker.health.stuck import MANY_ATTEMPTS, stuck

SOON = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
WEEK = dt.timedelta(days=7)
UNCONFIRMED = dt.timedelta(minutes=1)  # after this time somebody should know that a control is not in force
REFUSALS = (Verb.LOGIN_FAILED, Verb.LOGIN_THROTTLED, Verb.CONNECTION_REFUSED, Verb.TICKET_REFUSED)


def attention(person: AbstractUser) -> Lines:
    """Return what is wrong: worker and gateway, stuck sessions, locks, unconfirmed controls, hosts."""
    wrong = badge("error", "Wrong", "error")
    careful = badge("warning", "Look at it", "warning")
    health = reverse("health")
    found = [
        Line(f"{one.name}: {one.text}", health, wrong if one.is_error else careful)
        for one in (checks.run_check(checks.worker), checks.run_check(checks.gateway))
        if one.grade != Grade.OK
    ]
    found += [Line(text, reverse("session", args=[pk]), wrong) for pk, text in stuck()[:MOST_LINES]]
    asked = ControlRequest.objects.filter(
        session__ended_at=None,
        enforced_at=None,
        dropped_at=None,
        attempts__lt=MANY_ATTEMPTS,
        requested_at__lte=timezone.now() - UNCONFIRMED,
    ).select_related("session")
    found += [
        Line(
            f"{one.get_kind_display()} is not confirmed: {one.session}",
            one.session.get_absolute_url(),
            careful,
            when("requested", one.requested_at, f"control-{one.pk}"),
        )
        for one in asked.order_by("pk")[:MOST_LINES]
    ]
    hosts = HostWatch.objects.filter(resource__is_active=True).exclude(problem="").select_related("resource")
    found += [
        Line(f"{one.resource.name}: {one.problem}", one.resource.get_absolute_url(), careful)
        for one in hosts.order_by("resource__name")[:MOST_LINES]
    ]
    locked = _open().filter(status=Status.LOCKED).order_by("-requested_at")[:MOST_LINES]
    found += [session_line(one) for one in locked]
    return Lines(
        tuple(found),
        "Nothing: worker and gateway are running, no session is stuck or locked, and no host fails.",
        ("Health", health),
    )


def ending(person: AbstractUser) -> Lines:
    """Return the sessions that end within the hour, the next one first."""
    soon = timezone.now() + SOON
    sessions = _open().filter(status__in=sorted(HOLDS_GRANT), end_at__lte=soon).order_by("end_at", "pk")[:MOST_LINES]
    return Lines(
        tuple(plain_line(one, when("ends", one.end_at, f"ends-{one.pk}")) for one in sessions),
        "No session ends within the next hour.",
        ("All active sessions", reverse("sessions")),
    )


def waiting(person: AbstractUser) -> Lines:
    """Return the requests that wait for approval, the most urgent first."""
    sessions = _open().filter(status=Status.WAITING).order_by("approval_deadline", "pk")
    return Lines(
        tuple(
            plain_line(one, when("decide", one.approval_deadline, f"decide-{one.pk}")) for one in sessions[:MOST_LINES]
        ),
        "No request waits for approval.",
        ("Approvals", reverse("approvals")),
    )


def countries(person: AbstractUser) -> Lines:
    """Return from where people logged in within a week, the most frequent country first."""
    logins = LoginSession.objects.filter(created_at__gte=timezone.now() - WEEK).order_by()
    # By an expression: by the field itself SQLite walks over the whole index of countries (450 ms with 100,000 logins).
    groups = logins.values(name=Coalesce("country", Value("")), code=Coalesce("country_code", Value("")))
    groups = groups.annotate(count=Count("pk")).order_by("-count", "name")
    return Lines(
        tuple(
            Line(
                group["name"] or "Unknown or private network",
                f"{reverse('logins')}?{urlencode({'state': 'all', 'country': group['code']})}" if group["code"] else "",
                aside=f"{group['count']:,}",
            )
            for group in groups[:MOST_LINES]
        ),
        "Nobody logged in within the last 7 days.",
        ("Map of logins", reverse("logins_map")),
    )


def refused(person: AbstractUser) -> Lines:
    """Return how many logins and connections were refused within a day, and the newest of them."""
    entries = LogEntry.objects.filter(verb__in=REFUSALS, at__gte=timezone.now() - DAY)
    counts = dict(entries.order_by().values_list("verb").annotate(Count("pk")))
    told = [f"{Verb(verb).label}: {counts[verb]:,}" for verb in REFUSALS if verb in counts]
    return Lines(
        tuple(
            Line(
                message_text(one), reverse("activity_entry", args=[one.pk]), aside=when("", one.at, f"refused-{one.pk}")
            )
            for one in entries.order_by("-at", "-pk")[:MOST_LINES]
        ),
        "Nobody was refused within the last 24 hours.",
        ("In the activity log", f"{reverse('activity_log')}?{urlencode({'period': '24h', 'activity': 'refused'})}"),
        " · ".join(told),
    )


def live(person: AbstractUser) -> dict[str, Any]:
    """Return how many sessions were live at the end of each of the last 24 hours, with three queries.

    It is counted back from now: those that began since were not live then, and those that ended since were.
    """
    now = timezone.now()
    marks = [now - dt.timedelta(hours=hours) for hours in range(24)]
    began = PrivilegedSession.objects.filter(start_at__gte=marks[-1])
    over = PrivilegedSession.objects.filter(ended_at__gte=marks[-1], start_at__isnull=False)
    began_after = began.aggregate(**{f"m{n}": Count("pk", filter=Q(start_at__gt=mark)) for n, mark in enumerate(marks)})
    ended_after = over.aggregate(**{f"m{n}": Count("pk", filter=Q(ended_at__gt=mark)) for n, mark in enumerate(marks)})
    running = _open().filter(start_at__isnull=False).count()
    counts = [running - began_after[f"m{n}"] + ended_after[f"m{n}"] for n in range(24)]
    most = max(1, *counts)
    bars = [
        {
            "x": 20 * (23 - n) + 2,
            "y": 100 - round(96 * max(0, count) / most),
            "height": round(96 * max(0, count) / most),
            "hour": marks[n],
            "count": count,
        }
        for n, count in enumerate(counts)
    ]
    return {"bars": bars[::-1], "running": running, "most": max(counts), "has_any": any(counts)}


def _open() -> PrivilegedSessionQuerySet:
    """Return the sessions that go on, which an index has in one place."""
    return PrivilegedSession.objects.filter(ended_at=None)
