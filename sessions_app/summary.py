"""Counts privileged sessions and their durations for the summary of the activity log (activity/summary.py)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.contrib.auth import get_user_model
from django.db.models import Count, DateTimeField, DurationField, F, FilteredRelation, Max, Min, Q, Sum, Value
from django.db.models.functions import Coalesce

from activity.summary import Figures, SessionQuestion, SessionSummary
from sessions_app.roles import sees_everything

MOST_TIES = 500  # users of one total whose names are compared
SESSIONS = "privileged_sessions"  # of a user


def summarise(question: SessionQuestion) -> SessionSummary:
    """Sessions that started in the period: how many and how long. What still runs counts until now.

    Administrators and auditors see everybody's, others their own. Two queries: the figures of each user, which the
    index session_summary holds, and the names of those who are named. The figures of all are added up from them.
    """
    users = _figures_by_user(question)
    return SessionSummary(_together(users.values()), _top_users(users, question))


def _figures_by_user(question: SessionQuestion) -> dict[int, Figures]:
    """Each user's sessions are found by the user, so that nothing is sorted to group them."""
    users = get_user_model()._default_manager.using(question.database)
    if not sees_everything(question.viewer):
        users = users.filter(Q(pk=question.viewer.pk))
    if question.person is not None:
        users = users.filter(pk=question.person.pk)
    started = Q(**{f"{SESSIONS}__start_at__isnull": False})
    if question.span.start is not None:
        started &= Q(**{f"{SESSIONS}__start_at__gte": question.span.start})
    if question.span.end is not None:
        started &= Q(**{f"{SESSIONS}__start_at__lt": question.span.end})
    now = Value(question.now, output_field=DateTimeField())
    lasted = Coalesce("counted__duration", now - F("counted__start_at"), output_field=DurationField())
    grouped = users.order_by().annotate(counted=FilteredRelation(SESSIONS, condition=started)).values("pk")
    # What is counted stands in the index.
    figures = grouped.annotate(count=Count("counted__start_at"), total=Sum(lasted), least=Min(lasted), most=Max(lasted))
    rows = figures.values_list("pk", "count", "total", "least", "most")
    return {
        user: Figures(count, total, total / count, least, most) for user, count, total, least, most in rows if count
    }


def _together(figures: Iterable[Figures]) -> Figures:
    """The figures of all these."""
    found = list(figures)
    if not found:
        return Figures()
    count = sum(each.count for each in found)
    total = sum((each.total for each in found if each.total is not None), dt.timedelta())
    least = min(each.minimum for each in found if each.minimum is not None)
    most = max(each.maximum for each in found if each.maximum is not None)
    return Figures(count, total, total / count, least, most)


def _top_users(users: dict[int, Figures], question: SessionQuestion) -> tuple[tuple[str, Figures], ...]:
    """Who used the most time; of those who used the same, the first by name."""
    by_total = sorted(((figures.total or dt.timedelta(), user) for user, figures in users.items()), reverse=True)
    first = [user for total, user in by_total if total >= by_total[: question.top][-1][0]]
    model = get_user_model()
    accounts = model._default_manager.using(question.database).filter(pk__in=first[:MOST_TIES])
    names = dict(accounts.values_list("pk", model.USERNAME_FIELD))
    named = sorted((-(users[user].total or dt.timedelta()), name, user) for user, name in names.items())
    return tuple((name, users[user]) for _, name, user in named[: question.top])
