"""Counts privileged sessions and their durations for the summary of the activity log (activity/summary.py)."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import Count, F, Field, FilteredRelation, Max, Min, Q, QuerySet, Sum

from activity.summary import Figures, SessionQuestion, SessionSummary
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import sees_everything

MOST_TIES = 500  # how many users with the same total are sorted by name
SESSIONS = "privileged_sessions"  # of a user
ASKED_AT_ONCE = 1000  # users in one query for open sessions

Raw = dt.timedelta | int  # a duration as the database returns it: SQLite stores microseconds


class _Counted(NamedTuple):
    """The number of some sessions, and their total, shortest and longest durations."""

    sessions: int
    total: dt.timedelta
    least: dt.timedelta
    most: dt.timedelta

    def figures(self) -> Figures:
        """Return the figures with the average."""
        return Figures(self.sessions, self.total, self.total / self.sessions, self.least, self.most)


def summarise(question: SessionQuestion) -> SessionSummary:
    """Return number and durations of the sessions that started in the period. An open session counts until now.

    Administrators and auditors see those of everybody, others their own. The index session_summary holds all that is
    counted for each user, and the totals are added up here. It costs two queries, and one more if sessions are open.
    """
    users = _by_user(question)
    overall = _sum_of(list(users.values())).figures() if users else Figures()
    return SessionSummary(overall, _top_users(users, question))


def _by_user(question: SessionQuestion) -> dict[int, _Counted]:
    """Return the figures of each user.

    Durations are read in the form of the database, because Django would convert each of thousands twice.
    """
    stored_field: Field[object, object] = Field()
    grouped, path = _by_session(question) if _is_postgresql(question) else _by_account(question)
    lasted = F(f"{path}duration")
    rows = grouped.annotate(
        count=Count(f"{path}start_at"),
        ended=Count(lasted),
        total=Sum(lasted, output_field=stored_field),
        least=Min(lasted, output_field=stored_field),
        most=Max(lasted, output_field=stored_field),
    ).values_list(*grouped.query.values_select, "count", "ended", "total", "least", "most")
    found: dict[int, _Counted] = {}
    running = []
    for user, count, ended, total, least, most in rows:
        if ended:
            found[user] = _Counted(ended, _duration(total), _duration(least), _duration(most))
        if count != ended:
            running.append(user)
    for user, start in _still_running(running, question):
        lasts = question.now - start
        more = _Counted(1, lasts, lasts, lasts)
        found[user] = _sum_of([found[user], more]) if user in found else more
    return found


def _is_postgresql(question: SessionQuestion) -> bool:
    return connections[question.database].vendor == "postgresql"


def _by_session(question: SessionQuestion) -> tuple[QuerySet[Any, Any], str]:
    """Return the query for PostgreSQL: sessions grouped by user, which reads the whole index in parallel."""
    sessions = PrivilegedSession.objects.using(question.database).filter(_started(question))
    if (only := _only(question)) is not None:
        sessions = sessions.filter(user__in=only)
    if question.without:
        sessions = sessions.exclude(user__in=question.without)
    return sessions.order_by().values("user_id"), ""


def _by_account(question: SessionQuestion) -> tuple[QuerySet[Any, Any], str]:
    """Return the query for SQLite: users with their sessions, which finds those of each user in the index."""
    users = get_user_model()._default_manager.using(question.database)
    if (only := _only(question)) is not None:
        users = users.filter(pk__in=only)
    if question.without:
        users = users.exclude(pk__in=question.without)
    started = _started(question, f"{SESSIONS}__")
    grouped = users.order_by().annotate(counted=FilteredRelation(SESSIONS, condition=started)).values("pk")
    return grouped, "counted__"


def _only(question: SessionQuestion) -> list[int] | None:
    """Return the ids of the users whose sessions are counted; None for everybody's."""
    asked = None if question.people is None else list(question.people)
    if sees_everything(question.viewer):
        return asked
    own = question.viewer.pk
    return [own] if own is not None and (asked is None or own in asked) else []


def _started(question: SessionQuestion, path: str = "") -> Q:
    started = Q(**{f"{path}start_at__isnull": False})
    if question.span.start is not None:
        started &= Q(**{f"{path}start_at__gte": question.span.start})
    if question.span.end is not None:
        started &= Q(**{f"{path}start_at__lt": question.span.end})
    return started


def _duration(raw: Raw) -> dt.timedelta:
    return dt.timedelta(0, 0, raw) if isinstance(raw, int) else raw


def _still_running(users: list[int], question: SessionQuestion) -> Iterator[tuple[int, dt.datetime]]:
    """Yield the user and the start of each session that has not ended, from the index session_summary."""
    sessions = PrivilegedSession.objects.using(question.database).filter(_started(question), duration=None).order_by()
    for first in range(0, len(users), ASKED_AT_ONCE):
        some = users[first : first + ASKED_AT_ONCE]
        for user, start in sessions.filter(user__in=some).values_list("user_id", "start_at"):
            if start is not None:
                yield user, start


def _sum_of(found: list[_Counted]) -> _Counted:
    """Return the sum of at least one set of figures."""
    return _Counted(
        sum(each.sessions for each in found),
        sum((each.total for each in found), dt.timedelta()),
        min(each.least for each in found),
        max(each.most for each in found),
    )


def _top_users(users: dict[int, _Counted], question: SessionQuestion) -> tuple[tuple[str, Figures], ...]:
    """Return the users with the most time; those with the same time are sorted by name."""
    longest = heapq.nlargest(question.top, (counted.total for counted in users.values()))
    first = [user for user, counted in users.items() if counted.total >= longest[-1]]
    first.sort(key=lambda user: users[user].total, reverse=True)
    model = get_user_model()
    accounts = model._default_manager.using(question.database).filter(pk__in=first[:MOST_TIES])
    names = dict(accounts.values_list("pk", model.USERNAME_FIELD))
    named = sorted((-users[user].total, name, user) for user, name in names.items())
    return tuple((name, users[user].figures()) for _, name, user in named[: question.top])
