"""Counts privileged sessions and their durations for the summary of the activity log (activity/summary.py)."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterator
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Count, F, Field, FilteredRelation, Max, Min, Q, Sum

from activity.summary import Figures, SessionQuestion, SessionSummary
from sessions_app.models import PrivilegedSession
from sessions_app.roles import sees_everything

MOST_TIES = 500  # users of one total whose names are compared
SESSIONS = "privileged_sessions"  # of a user
ASKED_AT_ONCE = 1000  # users, about whose sessions that still run

Raw = dt.timedelta | int  # a duration as the database gives it: SQLite keeps microseconds


class _Counted(NamedTuple):
    """Some sessions: how many, and how long all of them, the shortest and the longest lasted."""

    sessions: int
    total: dt.timedelta
    least: dt.timedelta
    most: dt.timedelta

    def figures(self) -> Figures:
        """With the average."""
        return Figures(self.sessions, self.total, self.total / self.sessions, self.least, self.most)


def summarise(question: SessionQuestion) -> SessionSummary:
    """Sessions that started in the period: how many and how long. What still runs counts until now.

    Administrators and auditors see everybody's, others their own. The index session_summary holds what is counted of
    each user; the figures of all are added up from that. Two queries, and one about what still runs if anything does.
    """
    users = _by_user(question)
    overall = _together(list(users.values())).figures() if users else Figures()
    return SessionSummary(overall, _top_users(users, question))


def _by_user(question: SessionQuestion) -> dict[int, _Counted]:
    """Each user's sessions are found by the user, so that nothing is sorted to group them.

    Durations are fetched as they are kept: Django would look at each of them twice, and there are thousands.
    """
    users = get_user_model()._default_manager.using(question.database)
    if not sees_everything(question.viewer):
        users = users.filter(Q(pk=question.viewer.pk))
    if question.person is not None:
        users = users.filter(pk=question.person.pk)
    started = _started(question, f"{SESSIONS}__")
    grouped = users.order_by().annotate(counted=FilteredRelation(SESSIONS, condition=started)).values("pk")
    lasted = F("counted__duration")
    kept: Field[object, object] = Field()
    rows = grouped.annotate(
        count=Count("counted__start_at"),
        ended=Count("counted__duration"),
        total=Sum(lasted, output_field=kept),
        least=Min(lasted, output_field=kept),
        most=Max(lasted, output_field=kept),
    ).values_list("pk", "count", "ended", "total", "least", "most")
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
        found[user] = _together([found[user], more]) if user in found else more
    return found


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
    """The user and the start of each session that has not ended; the index session_summary holds both."""
    sessions = PrivilegedSession.objects.using(question.database).filter(_started(question), duration=None).order_by()
    for first in range(0, len(users), ASKED_AT_ONCE):
        some = users[first : first + ASKED_AT_ONCE]
        for user, start in sessions.filter(user__in=some).values_list("user_id", "start_at"):
            if start is not None:
                yield user, start


def _together(found: list[_Counted]) -> _Counted:
    """The figures of all these; there is one at least."""
    return _Counted(
        sum(each.sessions for each in found),
        sum((each.total for each in found), dt.timedelta()),
        min(each.least for each in found),
        max(each.most for each in found),
    )


def _top_users(users: dict[int, _Counted], question: SessionQuestion) -> tuple[tuple[str, Figures], ...]:
    """Who used the most time; of those who used the same, the first by name."""
    longest = heapq.nlargest(question.top, (counted.total for counted in users.values()))
    first = [user for user, counted in users.items() if counted.total >= longest[-1]]
    first.sort(key=lambda user: users[user].total, reverse=True)
    model = get_user_model()
    accounts = model._default_manager.using(question.database).filter(pk__in=first[:MOST_TIES])
    names = dict(accounts.values_list("pk", model.USERNAME_FIELD))
    named = sorted((-users[user].total, name, user) for user, name in names.items())
    return tuple((name, users[user].figures()) for _, name, user in named[: question.top])
