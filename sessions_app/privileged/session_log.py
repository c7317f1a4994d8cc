"""The log of one session, with numbered lines.

Reading is no part of what happened to a session: entries about who read this log or a recording are only in the
activity log.
"""

from __future__ import annotations

from django.db.models import Count, OuterRef, QuerySet, Subquery

from activity import names
from activity.listing import Card, Column, Table
from activity.listing.csv_expressions import Named
from activity.models import Level, LogEntry
from activity.tables import level_badge, message_text
from activity.verbs import Verb
from sessions_app.privileged.models import PrivilegedSession

LOOKS = (Verb.LOG_VIEWED, Verb.RECORDING_VIEWED, Verb.RECORDING_WATCHED, Verb.RECORDING_DOWNLOADED)


def entries_of(session: PrivilegedSession) -> QuerySet[LogEntry]:
    """Return the entries about the session, without numbers and in no order."""
    return LogEntry.objects.of_target(session).exclude(verb__in=LOOKS)


def with_line_numbers(session: PrivilegedSession) -> QuerySet[LogEntry]:
    """Return the entries with `line`, their number within this log, which no filter and no order changes."""
    before = (
        entries_of(session)
        .filter(pk__lte=OuterRef("pk"))
        .order_by()
        .values("target_id")
        .annotate(lines=Count("pk"))
        .values("lines")
    )
    return names.logged(entries_of(session)).annotate(line=Subquery(before))


def _by(entry: LogEntry) -> str:
    return names.then_and_now(entry.actor_name, getattr(entry, "actor_now", None)) if entry.actor_name else "system"


LOG_TABLE = Table(
    name="session-log",
    columns=(
        Column("line", "Line", "line", 70, sort="pk", is_number=True),
        Column("at", "Date and time", "at", 165),
        Column(
            "level",
            "Status",
            "level",
            110,
            level_badge,
            csv=lambda e: Level(e.level).label.lower(),
            sql=Named("level", {level: level.label.lower() for level in Level}),
        ),
        Column("message", "Message", "message", 620, message_text),
        Column("actor", "By", "actor_name", 130, _by),
        names.now_column("actor_now", "By, now", "actor", "actor_name"),
    ),
    default_sort="line",
    noun="line",
    nouns="lines",
    search=("message", "actor_name"),
    empty_text="The log begins when the session is requested.",
    row_name=lambda e: f"line {e.line}",
    card=Card("at", "level", "message"),
    flexible=("message",),
    row_class=lambda e: "wrap",  # long lines are shown in full
)
