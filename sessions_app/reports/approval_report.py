"""Who approved what, when, and how long it had waited."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import Avg, Count, F, FloatField, Func, Max, Q, QuerySet

from activity.listing import Column, link, span_of_time
from activity.names import of_accounts
from sessions_app.privileged.models import Approval, PrivilegedSession, Status
from sessions_app.reports.report import (
    Counts,
    QueryAnswer,
    Question,
    Report,
    Total,
    choice_field,
    text_field,
    time_column,
)
from sessions_app.reports.session_reports import counts_of

DECISIONS = [("approved", "Approved"), ("denied", "Denied")]


class SecondsBetween(Func):
    """The seconds from the second time to the first. For a difference SQLite would call Python for each row."""

    arity = 2
    arg_joiner = " - "
    template = "EXTRACT(EPOCH FROM %(expressions)s)"
    output_field = FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        """Subtract the days of the Julian calendar."""
        template = "(julianday(%(expressions)s)) * 86400"
        return self.as_sql(compiler, connection, template=template, arg_joiner=") - julianday(", **more)


class ApprovalsAnswer(QueryAnswer):
    """Decisions of approvers, the newest first."""

    def __init__(self, queryset: QuerySet[Approval], undecided: QuerySet[PrivilegedSession]) -> None:
        super().__init__(queryset, "decided_at")
        self._undecided = undecided

    def shown(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        # Not joined: SQLite would begin with the people, and sort.
        return queryset.prefetch_related("approver", "session", "session__requested_by")

    def totals(self) -> Sequence[Total]:
        waited = SecondsBetween("decided_at", "session__requested_at")
        own = Q(approver=F("session__user")) | Q(approver=F("session__requested_by"))
        found = self.queryset.order_by().aggregate(
            approved=Count("pk", filter=Q(is_approved=True)),
            denied=Count("pk", filter=Q(is_approved=False)),
            people=Count("approver", distinct=True),
            average=Avg(waited),
            longest=Max(waited),
            own=Count("pk", filter=own),
        )
        return [
            ("Approved", f"{found['approved']:,}"),
            ("Denied", f"{found['denied']:,}"),
            ("Not decided in time", f"{self._undecided.count():,}"),
            ("People who decided", f"{found['people']:,}"),
            ("Decided on a request of their own", f"{found['own']:,}"),
            ("Waited on average", _span(found["average"])),
            ("Waited longest", _span(found["longest"])),
        ]

    def counts(self) -> Sequence[Counts]:
        return [counts_of(self.queryset, "approver__username", "By approver", "Approver")]


def _span(seconds: float | None) -> str:
    # To the millisecond, which is what a Julian day can say.
    return span_of_time(dt.timedelta(seconds=round(seconds, 3)) if seconds is not None else None)


def _session(row: Approval) -> str:
    return link(row.session.get_absolute_url(), f"#{row.session_id}")


def _waited(row: Approval) -> dt.timedelta:
    return row.decided_at - row.session.requested_at


class Approvals(Report):
    slug = "approvals"
    title = "Who approved what"
    line = "Every approval and denial with its times, its note, its tier, and how long the request had waited."
    shows = (
        "Every decision of an approver in the period, the newest first. A request with several tiers has one row for "
        "each decision. “Waited” is the time from the request to the decision."
    )
    noun, nouns = "decision", "decisions"
    empty = (
        "Nobody approved or denied a request in this period. Requests wait for approval only if the connection profile "
        "of their access policy has approval tiers."
    )
    columns = (
        time_column("decided", "Decided", "decided_at"),
        Column("decision", "Decision", csv=lambda row: "Approved" if row.is_approved else "Denied", width=80),
        Column("approver", "By", csv=lambda row: row.approver.get_username(), width=92),
        Column("tier", "Tier", "tier", is_number=True, width=44),
        Column("note", "Note", "reason", width=130),
        Column("session", "Session", "session_id", cell=_session, width=72),
        Column("user", "For", "session__user_name", width=92),
        Column("requested_by", "Requested by", csv=lambda row: row.session.requested_by.get_username(), width=92),
        Column("activity", "Activity", "session__activity_name", width=108),
        Column("host", "Host", "session__resource_name", width=100),
        Column("ticket", "Ticket", "session__ticket_number", width=84),
        Column("why", "Notes of the request", "session__notes", width=130),
        time_column("requested", "Requested", "session__requested_at"),
        Column("waited", "Waited", csv=_waited, cell=lambda row: span_of_time(_waited(row)), is_number=True, width=84),
    )

    def fields(self) -> dict[str, forms.Field]:
        return {
            "approver": text_field("Approver"),
            "user": text_field("For user"),
            "resource": text_field("Host"),
            "decision": choice_field("Decision", "Approved and denied", DECISIONS),
        }

    def answer(self, question: Question) -> ApprovalsAnswer:
        days = question.period
        rows = Approval.objects.filter(decided_at__gte=days.start, decided_at__lt=days.end)
        undecided = PrivilegedSession.objects.filter(
            status=Status.APPROVAL_FAILED, ended_at__gte=days.start, ended_at__lt=days.end
        )
        if name := question.text("approver"):
            rows = rows.filter(of_accounts(name, "approver_id"))
        if name := question.text("user"):
            rows = rows.filter(of_accounts(name, "session__user_id"))
            undecided = undecided.filter(of_accounts(name, "user_id"))
        if name := question.text("resource"):
            rows = rows.filter(session__resource_name__folded_contains=name)
            undecided = undecided.filter(resource_name__folded_contains=name)
        if decision := question.text("decision"):
            rows = rows.filter(is_approved=decision == "approved")
        return ApprovalsAnswer(rows, undecided)
