"""The list of privileged sessions: shown on /sessions/ and on the pages of users, groups and applications.

Knows columns and words; what a row allows is asked of policy.py, which knows the rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from django.contrib.auth.models import AbstractUser
from django.db.models import BooleanField, Case, Exists, OuterRef, QuerySet, Subquery, Value, When
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.addresses import numbered
from activity.listing import Column, Table, badge, empty, link, moment, span_of_time
from sessions_app import policy
from sessions_app.models import ENDED, AccessPolicy, ControlKind, ControlRequest, PrivilegedSession, Status
from sessions_app.models.privileged import SESSION_WORDS
from sessions_app.roles import is_administrator, sees_everything

ICONS = {
    Status.PENDING: "clock",
    Status.WAITING: "hourglass",
    Status.PROVISIONING: "gear",
    Status.AVAILABLE: "check",
    Status.LOGGED_IN: "user",
    Status.LOCKED: "lock",
    Status.CANCELING: "arrow-undo",
    Status.COMPLETE: "flag",
    Status.CANCELED: "x",
    Status.DENIED: "ban",
    Status.FAILED: "error",
    Status.APPROVAL_FAILED: "warning",
}
BADGES = {status.value: badge(status.value, status.label, icon) for status, icon in ICONS.items()}
ASKED = {
    ControlKind.LOCK: "lock requested",
    ControlKind.UNLOCK: "unlock requested",
    ControlKind.DISCONNECT: "cut requested",
    ControlKind.EXTEND: "extension requested",
}


def sessions_queryset(viewer: AbstractUser) -> QuerySet[PrivilegedSession]:
    """Every session that `viewer` may see, with what the status shows and what policy.py needs.

    What every row has is prefetched and not joined: with inner joins to small tables SQLite turns the order of the join
    round and reads every session (measured with 300,000: 400 ms against 15 ms for the tab Active).

    Adds `awaits_me` (it waits for the viewer's decision) and `open_control` (what is requested and not enforced yet).
    """
    waits = Exists(PrivilegedSession.objects.awaiting(viewer).filter(pk=OuterRef("pk")))
    asked = ControlRequest.objects.filter(session=OuterRef("pk"), enforced_at=None, dropped_at=None)
    return (
        PrivilegedSession.objects.visible_to(viewer)
        .prefetch_related("profile")
        .annotate(
            awaits_me=Case(When(status=Status.WAITING, then=waits), default=Value(False), output_field=BooleanField()),
            open_control=Subquery(asked.order_by("-pk").values("kind")[:1]),
        )
    )


def refusals_for(viewer: AbstractUser) -> Callable[[PrivilegedSession], dict[str, str]]:
    """For a row of sessions_queryset(): the verbs that `viewer` may not use on it, with the reason.

    What has ended differs in nothing but its status and whose it was, so its reasons are found once for a whole list.
    """
    administers, sees_all = is_administrator(viewer), sees_everything(viewer)
    of_ended: dict[tuple[str, bool], dict[str, str]] = {}

    def refusals(session: PrivilegedSession) -> dict[str, str]:
        if session.status not in ENDED:
            return found(session)
        kind = (session.status, session.user_id == viewer.pk)
        if kind not in of_ended:
            of_ended[kind] = found(session)
        return of_ended[kind]

    def found(session: PrivilegedSession) -> dict[str, str]:
        return policy.refusals(
            session,
            viewer_id=viewer.pk,
            is_administrator=administers,
            is_auditor_only=sees_all and not administers,
            awaits_me=bool(getattr(session, "awaits_me", False)),
        )

    return refusals


def status_cell(session: PrivilegedSession) -> SafeString:
    """The badge, and beside it whether a control is only requested or already enforced on the resource."""
    shown = BADGES[session.status]
    if session.status in ENDED:
        return shown
    note = _status_note(session, Status(session.status))
    return format_html("{} <small>{}</small>", shown, note) if note else shown


def _status_note(session: PrivilegedSession, status: Status) -> str:
    asked = getattr(session, "open_control", None)
    if asked:
        return ASKED[ControlKind(asked)]
    if status == Status.LOCKED:
        return "enforced"
    if session.last_error and status in (Status.CANCELING, Status.PROVISIONING):
        return f"stuck, tried {session.attempts} time{'s' if session.attempts != 1 else ''}"
    return ""


def sessions_table(viewer: AbstractUser, *, with_history: bool) -> Table:
    """The table for rows of sessions_queryset(viewer); `with_history` adds what only ended sessions have."""
    links = Links(viewer)
    columns = [
        Column(
            "requested",
            "Requested",
            lambda s: link(s.get_absolute_url(), moment(s.requested_at)),
            "requested_at",
            lambda s: s.requested_at,
            165,
        ),
        Column("user", "User", lambda s: link(links.user(s), s.user_name), "user_name", lambda s: s.user_name, 115),
        Column(
            "host",
            "Host",
            lambda s: link(links.resource(s), s.resource_name),
            "resource_name",
            lambda s: s.resource_name,
        ),
        Column(
            "account",
            "Login account",
            lambda s: empty(s.login_account),
            "login_account",
            lambda s: s.login_account,
            130,
        ),
        Column("start", "Start", _start_cell, "start_at", lambda s: s.start_at, 190),
        Column("end", "End", lambda s: moment(s.end_at), "end_at", lambda s: s.end_at, 165),
        Column("status", "Status", status_cell, "status", lambda s: s.status, 210),
        Column(
            "activity",
            "Activity",
            lambda s: link(links.activity(s), s.activity_name),
            "activity_name",
            lambda s: s.activity_name,
            200,
        ),
        *(HISTORY if with_history else ()),
        *FURTHER,
    ]
    return Table(
        name="sessions-history" if with_history else "sessions",
        columns=tuple(columns),
        default_sort="-requested",
        noun="session",
        nouns="sessions",
        search=SESSION_WORDS.columns,
        text_index=SESSION_WORDS,
        empty_text="Sessions appear here as soon as somebody requests one.",
        is_selectable=True,
        row_name=_row_name,
        refusals=refusals_for(viewer),
    )


HISTORY = (
    Column(
        "duration",
        "Duration",
        lambda s: span_of_time(s.duration),
        "duration",
        lambda s: s.duration,
        110,
        is_number=True,
    ),
    Column("notes", "Notes", lambda s: empty(s.notes), csv=lambda s: s.notes, width=220),
    Column("ticket", "Ticket", lambda s: empty(s.ticket), "ticket", lambda s: s.ticket, 110),
)
# Hidden until the person shows them; always in the download. Not sorted: names that stand in another table, which no
# index of sessions holds, and free text (notes, reasons), which is searched and not leafed through.
FURTHER = (
    Column("number", "Number", lambda s: str(s.pk), "pk", lambda s: s.pk, 90, is_hidden=True, is_number=True),
    Column(
        "asked-by",
        "Requested by",
        lambda s: s.requested_by.get_username(),
        csv=lambda s: s.requested_by.get_username(),
        width=130,
        is_hidden=True,
        related="requested_by",
    ),
    Column(
        "policy",
        "Access policy",
        lambda s: empty(s.policy),
        csv=lambda s: s.policy.name if s.policy else "",
        is_hidden=True,
        related="policy",
    ),
    Column(
        "scheduled",
        "Scheduled for",
        lambda s: moment(s.scheduled_for),
        "scheduled_for",
        lambda s: s.scheduled_for,
        165,
        is_hidden=True,
    ),
    Column("ended", "Ended", lambda s: moment(s.ended_at), "ended_at", lambda s: s.ended_at, 165, is_hidden=True),
    Column(
        "reason",
        "End reason",
        lambda s: empty(s.end_reason),
        csv=lambda s: s.end_reason,
        width=220,
        is_hidden=True,
    ),
)


def _start_cell(session: PrivilegedSession) -> str:
    """When the pre-session actions ran; before that, when they are due."""
    if session.start_at is None and session.scheduled_for is not None and not session.is_ended:
        return format_html("{} <small>due</small>", moment(session.scheduled_for))
    return moment(session.start_at)


def _row_name(session: PrivilegedSession) -> str:
    return f"{session.resource_name} for {session.user_name}"


@dataclasses.dataclass(frozen=True, slots=True)
class _Reach:
    """Which pages of the catalogue an ordinary person has: those that a policy of theirs names."""

    resources: frozenset[int]
    activities: frozenset[int]


class Links:
    """Links of a row to the pages that the viewer may open; empty where they would only find a 404.

    Costs two queries a list for ordinary people, none for those who see everything.
    """

    def __init__(self, viewer: AbstractUser) -> None:
        self.viewer_id = viewer.pk
        self.sees_everything = sees_everything(viewer)
        if not self.sees_everything:
            mine = AccessPolicy.objects.for_user(viewer).order_by()
            self.reach = _Reach(
                frozenset(mine.values_list("resources__pk", flat=True)),
                frozenset(mine.values_list("activities__pk", flat=True)),
            )

    def user(self, session: PrivilegedSession) -> str:
        may = self.sees_everything or session.user_id == self.viewer_id
        return numbered("user", session.user_id) if may else ""

    def resource(self, session: PrivilegedSession) -> str:
        may = self.sees_everything or session.resource_id in self.reach.resources
        return numbered("resource", session.resource_id) if may else ""

    def activity(self, session: PrivilegedSession) -> str:
        may = self.sees_everything or session.activity_id in self.reach.activities
        return numbered("activity_kind", session.activity_id) if may else ""
