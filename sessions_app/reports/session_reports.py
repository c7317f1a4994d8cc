"""Privileged sessions of a period, and those without a ticket."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import Avg, Count, Max, Min, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils.safestring import SafeString

from activity.listing import Column, empty, link, span_of_time
from activity.names import name_now, of_accounts, then_and_now
from activity.times_in_text import with_local_times
from sessions_app.gateway.models import GatewayConnection
from sessions_app.gateway.recordings.models import Recording
from sessions_app.privileged.models import ENDED, Approval, PrivilegedSession, Status
from sessions_app.reports.periods import Days
from sessions_app.reports.report import (
    TIME_WIDTH,
    Counts,
    QueryAnswer,
    Question,
    Report,
    Total,
    text_field,
    time_column,
    when,
)

MOST_LINES = 10  # of a small table
REQUIRED, OPTIONAL = "required", "optional"


def sessions_of(days: Days) -> QuerySet[PrivilegedSession]:
    """Return the sessions that had rights on a resource at some moment of the period.

    None of them began longer before the period than the longest session lasts, or than the oldest that is open. So the
    index of starts is read from there on, and not from the first session of all.
    """
    started = PrivilegedSession.objects.filter(start_at__isnull=False)
    longest = PrivilegedSession.objects.filter(duration__isnull=False).aggregate(longest=Max("duration"))["longest"]
    first = days.start - (longest or dt.timedelta(0))
    oldest = started.filter(ended_at=None).aggregate(oldest=Min("start_at"))["oldest"]
    earliest = min(first, oldest) if oldest is not None else first
    return started.filter(Q(ended_at=None) | Q(ended_at__gte=days.start), start_at__gte=earliest, start_at__lt=days.end)


def narrowed(sessions: QuerySet[PrivilegedSession], question: Question) -> QuerySet[PrivilegedSession]:
    """Return the sessions of the user, host and activity that are asked for."""
    if name := question.text("user"):
        sessions = sessions.filter(of_accounts(name, "user_id"))
    for field in ("resource", "activity"):
        if name := question.text(field):
            sessions = sessions.filter(**{f"{field}_name__folded_contains": name})
    return sessions


def session_fields() -> dict[str, forms.Field]:
    """Return the fields that narrow sessions."""
    return {"user": text_field("User"), "resource": text_field("Host"), "activity": text_field("Activity")}


def _number(model: type[Any]) -> Any:
    """Return how many rows of a model belong to a session."""
    rows = model.objects.filter(session=OuterRef("pk")).order_by().values("session")
    return Coalesce(Subquery(rows.annotate(number=Count("pk")).values("number")), 0)


class SessionsAnswer(QueryAnswer):
    """Privileged sessions, the latest start first."""

    def __init__(self, queryset: QuerySet[PrivilegedSession], question: Question) -> None:
        super().__init__(queryset, "start_at")
        self.question = question

    def shown(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the sessions with their approvals, and the numbers of their connections and recordings."""
        given = Approval.objects.filter(is_approved=True).select_related("approver").order_by("pk")
        rows: QuerySet[Any] = queryset.annotate(
            user_now=name_now(), connected=_number(GatewayConnection), recorded=_number(Recording)
        )
        return rows.prefetch_related("profile", "policy", Prefetch("approvals", given, to_attr="given_approvals"))

    def totals(self) -> Sequence[Total]:
        found = self.queryset.order_by().aggregate(
            people=Count("user", distinct=True),
            hosts=Count("resource", distinct=True),
            still=Count("pk", filter=Q(ended_at=None)),
            failed=Count("pk", filter=Q(status=Status.FAILED)),
            together=Sum("duration"),
            average=Avg("duration"),
        )
        return [
            ("People", f"{found['people']:,}"),
            ("Hosts", f"{found['hosts']:,}"),
            ("Still open", f"{found['still']:,}"),
            ("Failed", f"{found['failed']:,}"),
            ("Time in all", span_of_time(found["together"])),
            ("Average", span_of_time(found["average"])),
        ]


def _number_cell(session: PrivilegedSession) -> SafeString:
    return link(session.get_absolute_url(), f"#{session.pk}")


def _user_cell(session: PrivilegedSession) -> SafeString:
    return then_and_now(session.user_name, getattr(session, "user_now", None))


def _user_now(session: PrivilegedSession) -> str:
    now = getattr(session, "user_now", None) or ""
    return now if now != session.user_name else ""


def _end_cell(session: PrivilegedSession) -> str:
    return "Open" if session.ended_at is None else when(session.ended_at)


def _approved_by(session: PrivilegedSession) -> str:
    """Return who approved, by tiers, or why nobody did."""
    given: list[Approval] = session.given_approvals  # type: ignore[attr-defined]  # set by Prefetch
    names = [f"{one.approver.get_username()} (tier {one.tier})" for one in given]
    return ", ".join(names) if names else "No approval asked for"


def _recording(session: PrivilegedSession) -> str:
    number: int = session.recorded  # type: ignore[attr-defined]  # of annotate()
    if number:
        return f"{number:,}"
    return "None" if session.profile.record else "Not recorded by its profile"


def _how_it_ended(session: PrivilegedSession) -> str:
    """Return the status of a session, and why it ended. Times in it are as they are stored."""
    label = str(Status(session.status).label)
    return f"{label}: {session.end_reason}" if session.end_reason and session.status in ENDED else label


def _ended_cell(session: PrivilegedSession) -> str:
    return with_local_times(_how_it_ended(session))


NUMBER = Column("number", "Session", "pk", cell=_number_cell, width=72)
USER = Column("user", "User", "user_name", cell=_user_cell, width=92)
USER_NOW = Column("user_now", "User now", cell=lambda s: empty(_user_now(s)), csv=_user_now, is_hidden=True)
ACTIVITY = Column("activity", "Activity", "activity_name", width=108)
HOST = Column("host", "Host", "resource_name", width=104)
ACCOUNT = Column("account", "Login account", "login_account", width=104)
FROM = time_column("from", "From", "start_at")
TO = Column("to", "To", "ended_at", cell=_end_cell, width=TIME_WIDTH)
LASTED = Column("lasted", "Lasted", "duration", is_number=True, width=76)
NOTES = Column("notes", "Notes", "notes", width=140)
TICKET = Column("ticket", "Ticket", "ticket_number", width=86)
APPROVED_BY = Column("approved_by", "Approved by", csv=_approved_by, width=130)
POLICY = Column("policy", "Access policy", csv=lambda s: str(s.policy or ""), cell=lambda s: empty(s.policy))
PROFILE = Column("profile", "Connection profile", csv=lambda s: str(s.profile), width=120)
CONNECTIONS = Column("connections", "Connections", "connected", is_number=True, width=104)
RECORDING = Column("recordings", "Recordings", csv=_recording, width=92)
ENDED_AS = Column("ended", "Status", cell=_ended_cell, csv=_how_it_ended, width=150)


class PrivilegedSessions(Report):
    slug = "sessions"
    title = "Privileged sessions"
    line = "Who did what where, from when to when, approved by whom, with connections and recordings."
    shows = "Every privileged session that had rights on a host at some moment of the period, the latest start first."
    noun, nouns = "session", "sessions"
    empty = "No privileged session had rights on a host in this period."
    columns = (
        NUMBER, USER, USER_NOW, ACTIVITY, HOST, ACCOUNT, FROM, TO, LASTED, APPROVED_BY, TICKET, NOTES, CONNECTIONS,
        RECORDING, ENDED_AS,
    )  # fmt: skip

    def fields(self) -> dict[str, forms.Field]:
        return session_fields()

    def answer(self, question: Question) -> SessionsAnswer:
        return SessionsAnswer(narrowed(sessions_of(question.period), question), question)


class WithoutTicketAnswer(SessionsAnswer):
    """The sessions without a ticket, and what share of all they are."""

    def __init__(self, sessions: QuerySet[PrivilegedSession], question: Question) -> None:
        # By an expression, so that SQLite reads the sessions of the period, and not all that ever had no ticket.
        without = sessions.alias(ticket=Coalesce("ticket_number", Value(""))).filter(ticket="")
        super().__init__(without, question)
        self._all = sessions

    def totals(self) -> Sequence[Total]:
        whole, without = self._all.order_by().values("pk").count(), self.count()
        required = self.queryset.order_by().filter(profile__ticket_required=True).count()
        return [
            ("Sessions of the period", f"{whole:,}"),
            ("With a ticket", f"{whole - without:,}"),
            ("Without a ticket", f"{without:,}"),
            ("Share without", f"{100 * without / whole:.1f} %" if whole else "–"),
            ("Though the profile requires one now", f"{required:,}"),
        ]

    def counts(self) -> Sequence[Counts]:
        return [
            counts_of(self.queryset, "profile__name", "By connection profile", "Connection profile"),
            counts_of(self.queryset, "user_name", "By user", "User"),
        ]


def counts_of(rows: QuerySet[Any], path: str, title: str, heading: str, nothing: str = "–") -> Counts:
    """Return how many rows there are for each value at `path`, the most frequent first, with one query.

    `nothing` stands for rows without a value.
    """
    found = list(rows.order_by().values_list(path).annotate(number=Count("pk")).order_by("-number", path))
    lines = [(str(value or nothing), number) for value, number in found[:MOST_LINES]]
    return Counts(title, heading, lines, more=max(len(found) - MOST_LINES, 0))


def _asks_for_ticket(session: PrivilegedSession) -> str:
    return REQUIRED if session.profile.ticket_required else OPTIONAL


class SessionsWithoutTicket(Report):
    slug = "without-ticket"
    title = "Sessions without a ticket"
    line = "Privileged sessions whose request names no ticket number, and whether their profile asks for one."
    shows = (
        "Every privileged session that had rights on a host at some moment of the period and whose request has no "
        "ticket number. The ticket number is what the requester entered; the console does not look it up elsewhere."
    )
    noun, nouns = "session", "sessions"
    empty = "Every privileged session of this period names a ticket, or there was none."
    columns = (
        NUMBER, USER, USER_NOW, ACTIVITY, HOST, FROM, TO, PROFILE,
        Column("asks", "Ticket by the profile now", csv=_asks_for_ticket, width=100),
        APPROVED_BY, NOTES, ENDED_AS,
    )  # fmt: skip

    def fields(self) -> dict[str, forms.Field]:
        return session_fields()

    def answer(self, question: Question) -> WithoutTicketAnswer:
        return WithoutTicketAnswer(narrowed(sessions_of(question.period), question), question)
