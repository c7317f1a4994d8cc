"""The list of privileged sessions, on /sessions/ and on the pages of users, groups and applications.

It has the columns and texts; privileged/policy.py has the rules about what a row allows.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db.models import BooleanField, Case, Exists, OuterRef, QuerySet, Subquery, TextField, Value, When
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity.addresses import numbered
from activity.listing import Card, Column, Table, counted_time, empty, link, short_time
from activity.names import name_now, now_column, renamed_to, then_and_now
from activity.times_in_text import with_local_times
from sessions_app.catalogue.connectors import capabilities_of
from sessions_app.catalogue.models import AccessPolicy, Resource
from sessions_app.privileged import policy
from sessions_app.privileged.models import (
    ENDED,
    SESSION_WORDS,
    WITHDRAWN,
    ControlRequest,
    PrivilegedSession,
    Status,
)
from sessions_app.privileged.status_badges import status_cell
from sessions_app.roles import is_administrator, sees_everything

# Only the drawing is seen, because names need the room. Safe: a constant.
PRACTICE = SafeString(
    '<b class="badge bare i-flag" title="Practice: nobody gets any rights there">'
    '<span class="visually-hidden">Practice</span></b>'
)


def sessions_queryset(viewer: AbstractUser) -> QuerySet[PrivilegedSession]:
    """Return the sessions that `viewer` may see, with all that the columns and privileged/policy.py need.

    What every row has is prefetched and not joined: with inner joins to small tables SQLite reverses the order of the
    join and reads every session (measured with 300,000: 400 ms against 15 ms for the tab Active). `awaits_me` says
    whether it waits for the viewer's decision, and `open_control` which control is requested and not enforced yet.
    """
    return (
        PrivilegedSession.objects.visible_to(viewer)
        .prefetch_related("profile")
        .annotate(awaits_me=_awaits(viewer), open_control=_open_control(), **names_and_connectors_now())
    )


def names_and_connectors_now() -> dict[str, Subquery]:
    """Return annotations for the columns User and Host: the user's name and the host's connector as they are now.

    They are subqueries, because a join would change the order in which SQLite reads.
    """
    host = Resource.objects.filter(pk=OuterRef("resource_id")).order_by()
    return {"user_now": name_now(), "connector_now": Subquery(host.values("connector")[:1])}


def _awaits(viewer: AbstractUser) -> Case:
    waits = Exists(PrivilegedSession.objects.awaiting(viewer).filter(pk=OuterRef("pk")))
    return Case(When(status=Status.WAITING, then=waits), default=Value(False), output_field=BooleanField())


def _open_control() -> Subquery:
    asked = ControlRequest.objects.filter(session=OuterRef("pk"), enforced_at=None, dropped_at=None)
    return Subquery(asked.order_by("-pk").values("kind")[:1])


def refusals_for(viewer: AbstractUser) -> Callable[[PrivilegedSession], dict[str, str]]:
    """Return a function that gives, for a row of sessions_queryset(), the verbs that `viewer` may not use and why.

    Ended sessions differ only in their status and their user, so their reasons are found once for a whole list.
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
            right_gone=session.right_gone,
        )

    return refusals


def sessions_table(viewer: AbstractUser, *, with_history: bool, only_ended: bool = False) -> Table:
    """Return the table for rows of sessions_queryset(viewer).

    `with_history` adds what only ended sessions have; with `only_ended` there are no others, and rows are read in part.
    """
    links = Links(viewer)
    activity = _linked(links.activity, "activity_id", "activity_name")
    columns = [
        Column("requested", "Requested", "requested_at", 162, _requested_cell),
        Column("user", "User", "user_name", 92, _linked_user(links), reads=("user",)),
        Column("host", "Host", "resource_name", 110 if with_history else 115, _host(links), reads=("resource",)),
        Column("account", "Login account", "login_account", 113, is_hidden=with_history),
        Column(
            "start", "Start", "start_at", 162 if with_history else 188, _start_cell, reads=("scheduled_for", "status")
        ),
        Column("end", "End", "end_at", 162 if with_history else 204, _end_cell, reads=("status",)),
        Column("status", "Status", "status", 165 if with_history else 155, status_cell, reads=("start_at",)),
        Column("activity", "Activity", "activity_name", 118 if with_history else 126, activity, reads=("activity",)),
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
        search_also=functools.partial(renamed_to, paths=("user_id",)),
        empty_text="Sessions appear here as soon as somebody requests one.",
        is_selectable=True,
        row_name=_row_name,
        refusals=refusals_for(viewer),
        # What may be done with a session that goes on depends on nearly all of it.
        reads=("resource_name", "user_name", "status", "user") if only_ended else None,
        opens="requested",
        card=Card("host", "status", "user", "end"),
        grows=("user", "host", "account", "activity", "ticket_number"),
        flexible=("status", "activity", "notes") if with_history else ("status", "activity", "host"),
    )


def _reason_cell(session: PrivilegedSession) -> str:
    return empty(with_local_times(session.end_reason))


HISTORY = (
    Column("duration", "Duration", "duration", 92, is_number=True),
    Column("notes", "Notes", "notes", 150, sort="", is_hidden=True),
    Column("ticket_number", "Ticket", "ticket_number", 92),
)
# Hidden until the person shows them, but always in the download. Names of now and free text cannot be
# sorted by: names are in another table, which no index of sessions covers, and free text is for searching.
FURTHER = (
    Column("number", "Number", "pk", 90, is_hidden=True, is_number=True),
    now_column("user_now", "User now", "user", "user_name"),
    Column(
        "asked-by",
        "Requested by (now)",  # only the name of its user at that time is stored with a session
        f"requested_by__{get_user_model().USERNAME_FIELD}",
        160,
        sort="",
        is_hidden=True,
    ),
    Column(
        "policy",
        "Access policy",
        "policy__name",
        cell=lambda s: empty(s.policy),
        csv=lambda s: s.policy.name if s.policy else "",
        sort="",
        sql="policy__name",
        is_hidden=True,
    ),
    Column("scheduled", "Scheduled for", "scheduled_for", 165, is_hidden=True),
    Column("ended", "Ended", "ended_at", 165, is_hidden=True),
    Column("reason", "End reason", "end_reason", 220, _reason_cell, sort="", is_hidden=True),
    Column(
        "withdrawn",
        "Withdrawn",
        cell=lambda s: empty(_withdrawn(s)),
        csv=lambda s: _withdrawn(s),
        sql=Case(
            When(status=Status.COMPLETE, start_at__isnull=True, then=Value(WITHDRAWN)),
            default=Value(""),
            output_field=TextField(),
        ),
        reads=("status", "start_at"),
        is_hidden=True,
    ),
)


def _withdrawn(session: PrivilegedSession) -> str:
    return WITHDRAWN if session.is_withdrawn else ""


def _linked(url: Callable[[PrivilegedSession], str], pk: str, name: str) -> Callable[[PrivilegedSession], SafeString]:
    """Return a cell function for a name that links to its page.

    Most rows of a list have the same few names, so each link is rendered once for a table, which is made for one person
    and one request.
    """
    values = operator.attrgetter(pk, name)
    written: dict[tuple[Any, str], SafeString] = {}

    def cell(session: PrivilegedSession) -> SafeString:
        key = values(session)
        found = written.get(key)
        if found is None:
            found = written[key] = link(url(session), key[1])
        return found

    return cell


def _host(links: Links) -> Callable[[PrivilegedSession], SafeString]:
    """Return a cell function for the host, which wears a badge when it is only pretended."""
    linked = _linked(links.resource, "resource_id", "resource_name")

    def cell(session: PrivilegedSession) -> SafeString:
        name, connector = linked(session), getattr(session, "connector_now", None)
        is_practice = connector is not None and capabilities_of(connector).is_practice
        return SafeString(f"{name} {PRACTICE}") if is_practice else name  # safe: a link and a badge

    return cell


def _linked_user(links: Links) -> Callable[[PrivilegedSession], SafeString]:
    """Return a cell function for the user: the name at that time as a link, and the current name if it differs."""
    linked = _linked(links.user, "user_id", "user_name")

    def cell(session: PrivilegedSession) -> SafeString:
        return then_and_now(session.user_name, getattr(session, "user_now", None), linked(session))

    return cell


def _requested_cell(session: PrivilegedSession) -> str:
    return link(session.get_absolute_url(), short_time(session.requested_at))


def _start_cell(session: PrivilegedSession) -> str:
    """Return when the pre-session actions ran, or when they are due."""
    if session.start_at is None and not session.is_ended and session.scheduled_for is not None:
        return format_html("{} <small>due</small>", short_time(session.scheduled_for))
    return short_time(session.start_at)


def _end_cell(session: PrivilegedSession) -> str:
    """Return when the session ends or ended, and how long that is from now while it goes on."""
    if session.end_at is None or session.is_ended:
        return short_time(session.end_at)
    return counted_time(session.end_at)


def _row_name(session: PrivilegedSession) -> str:
    return f"{session.resource_name} for {session.user_name}"


@dataclasses.dataclass(frozen=True, slots=True)
class _VisibleCatalogue:
    """The objects of the catalogue whose pages an ordinary person can open, because a policy of theirs names them."""

    resources: frozenset[int]
    activities: frozenset[int]


class Links:
    """The links of a row to pages that the viewer may open; empty where the page would be a 404.

    It costs two queries a list for ordinary people, and none for those who see everything.
    """

    def __init__(self, viewer: AbstractUser) -> None:
        self.viewer_id = viewer.pk
        self.sees_everything = sees_everything(viewer)
        if not self.sees_everything:
            mine = AccessPolicy.objects.for_user(viewer).order_by()
            self.reach = _VisibleCatalogue(
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
