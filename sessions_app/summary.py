"""Counts privileged sessions and their durations for the summary of the activity log (activity/summary.py)."""

from __future__ import annotations

from typing import Any

from django.db.models import Aggregate, Avg, Count, DateTimeField, DurationField, F, Max, Min, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from activity.summary import Figures, SessionQuestion, SessionSummary
from sessions_app.models import PrivilegedSession
from sessions_app.roles import sees_everything


def summarise(question: SessionQuestion) -> SessionSummary:
    """Sessions that started in the period: how many and how long. What still runs counts until now. Two queries.

    Administrators and auditors see everybody's, others their own.
    """
    sessions = PrivilegedSession.objects.filter(start_at__isnull=False)
    if not sees_everything(question.viewer):
        sessions = sessions.mine(question.viewer)
    if question.person is not None:
        sessions = sessions.filter(user_id=question.person.pk)
    if question.span.start is not None:
        sessions = sessions.filter(start_at__gte=question.span.start)
    if question.span.end is not None:
        sessions = sessions.filter(start_at__lt=question.span.end)
    now = Value(question.now, output_field=DateTimeField())
    timed = sessions.annotate(lasted=Coalesce("duration", now - F("start_at"), output_field=DurationField()))
    return SessionSummary(_figures(timed.aggregate(**_aggregates())), _top_users(timed, question.top))


def _top_users(timed: QuerySet[Any, Any], top: int) -> tuple[tuple[str, Figures], ...]:
    """Who used the most time."""
    users = timed.order_by().values("user_id").annotate(name=Max("user_name"), **_aggregates())
    return tuple((row["name"], _figures(row)) for row in users.order_by("-total", "name", "user_id")[:top])


def _aggregates() -> dict[str, Aggregate]:
    return {
        "count": Count("pk"),
        "total": Sum("lasted"),
        "average": Avg("lasted"),
        "minimum": Min("lasted"),
        "maximum": Max("lasted"),
    }


def _figures(row: dict[str, Any]) -> Figures:
    return Figures(row["count"], row["total"], row["average"], row["minimum"], row["maximum"])
