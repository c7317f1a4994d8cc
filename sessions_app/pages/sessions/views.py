"""The list of privileged sessions, the page of one session, and its log in a window of its own."""

from __future__ import annotations

import dataclasses

import django_filters
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_safe

from activity import log
from activity.listing import link, list_response
from activity.listing.response import bad_list_response, is_fragment
from activity.names import name_now, then_and_now
from activity.typed import typed
from activity.verbs import Verb
from activity.viewer import viewer
from sessions_app.gateway.recordings.tables import recordings_of
from sessions_app.gateway.views import connect_context, connections_context
from sessions_app.hosts.key_views import certificate_context
from sessions_app.pages.sessions.facts import comparison_context, session_context
from sessions_app.privileged.filters import ActiveFilters, HistoricalFilters, SessionFilters
from sessions_app.privileged.flows.start_check import why_right_is_gone
from sessions_app.privileged.models import ENDED, HOLDS_GRANT, LIVE, PrivilegedSession, Status
from sessions_app.privileged.policy import NOT_BEGUN
from sessions_app.privileged.session_log import LOG_TABLE, with_line_numbers
from sessions_app.privileged.session_log_filters import SessionLogFilters
from sessions_app.privileged.tables import Links, refusals_for, sessions_queryset, sessions_table, status_cell
from sessions_app.privileged.toolbar import page_buttons, sessions_toolbar
from sessions_app.refreshing_pages import live_response
from sessions_app.roles import Person, sees_everything
from sessions_app.vault.views import secrets_context
from sessions_app.worker.health.heartbeat import is_worker_missed


@dataclasses.dataclass(frozen=True, slots=True)
class Tab:
    """One tab of the list: its statuses and its filters."""

    label: str
    statuses: frozenset[Status]
    filters: type[django_filters.FilterSet]
    with_history: bool = False


TABS = {
    "active": Tab("Active", LIVE, ActiveFilters),
    "scheduled": Tab("Scheduled", frozenset({Status.PENDING}), SessionFilters),
    "historical": Tab("Historical", ENDED, HistoricalFilters, with_history=True),
}


@require_safe
def sessions(request: HttpRequest) -> HttpResponseBase:
    """Show the list with three tabs, with the sessions of everybody or only one's own.

    Requests that wait for approval are on a page of their own (pages/approvals/views.py).
    """
    person = viewer(request)
    sees_all = sees_everything(person)
    tab_name = typed(request.GET, "tab") or "active"
    whose = typed(request.GET, "whose") or ("all" if sees_all else "mine")
    if tab_name == "approvals":
        return redirect("approvals")  # what was a tab here, in old bookmarks and e-mails
    if tab_name not in TABS:
        return bad_list_response(request, f"There is no tab called “{tab_name[:40]}”.")
    if whose not in ("all", "mine"):
        return bad_list_response(request, "Sessions are listed as “all” or as “mine”, nothing else.")
    if whose == "all" and not sees_all:
        raise PermissionDenied("Only administrators and auditors see everyone's sessions.")
    tab = TABS[tab_name]
    return list_response(
        request,
        sessions_table(person, with_history=tab.with_history, only_ended=tab.statuses == ENDED),
        _filtered_by_owner(_of_tab(person, tab), person, whose),
        "sessions_app/pages/sessions/sessions.html",
        filterset=tab.filters,
        extra=("tab", "whose"),
        context={
            "heading": "Sessions",
            "tabs": [(name, each.label) for name, each in TABS.items()],
            "tab": tab_name,
            "whose": whose,
            "may_choose_whose": sees_all,
            # A lazy value, because fragments have no notice and need no query.
            "is_worker_missed": SimpleLazyObject(is_worker_missed) if sees_all else False,
            "toolbar": SimpleLazyObject(
                lambda: sessions_toolbar(person, with_history=tab.with_history, has_begun=not tab.statuses <= NOT_BEGUN)
            ),
        },
        csv_name=f"sessions-{tab_name}",
        counted=_filtered_by_owner(_counted(person), person, whose) if tab.statuses == ENDED else None,
    )


def _of_tab(person: AbstractUser, tab: Tab) -> QuerySet[PrivilegedSession]:
    """Return the sessions of a tab.

    The few open sessions are found by having no end. By their statuses alone SQLite may expect so many that it reads
    the whole table (measured with 100,000 after ANALYZE: 20 ms). The many ended ones are found by excluding the open
    ones, so that SQLite reads them in the order of the list and stops after a page (measured with 300,000: 50 ms
    against 280 ms). Ended sessions need no data for decisions or extensions.
    """
    if tab.statuses == ENDED:
        ended = PrivilegedSession.objects.visible_to(person).exclude(status__in=sorted(set(Status) - ENDED))
        return ended.annotate(user_now=name_now())
    return sessions_queryset(person).filter(ended_at=None, status__in=sorted(tab.statuses))


def _counted(person: AbstractUser) -> QuerySet[PrivilegedSession]:
    """Return the ended sessions, selected so that the database counts them in the index of statuses.

    On SQLite, to exclude the open ones instead takes a millisecond longer for 10,000 sessions.
    """
    return PrivilegedSession.objects.visible_to(person).filter(status__in=sorted(ENDED))


def _filtered_by_owner(
    queryset: QuerySet[PrivilegedSession], person: Person, whose: str
) -> QuerySet[PrivilegedSession]:
    """Return the sessions of everybody or the person's own."""
    return queryset if whose == "all" else queryset.filter(Q(user_id=person.pk) | Q(requested_by_id=person.pk))


@require_safe
def session(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show everything about one session. The page refreshes itself."""
    person = viewer(request)
    row = get_object_or_404(sessions_queryset(person).select_related("resource", "activity", "user", "policy"), pk=pk)
    if row.status in HOLDS_GRANT:
        row.right_gone = why_right_is_gone(row)
    links = Links(person)
    context = session_context(row) | {
        "user_link": then_and_now(row.user_name, row.user.get_username(), link(links.user(row), row.user_name)),
        "resource_link": link(links.resource(row), row.resource_name),
        "activity_link": link(links.activity(row), row.activity_name),
        "heading": str(row),
        "number": row.pk,
        "status": status_cell(row),
        "buttons": page_buttons(person, refusals_for(person)(row), has_begun=row.status not in NOT_BEGUN),
        **secrets_context(person, row),
        **certificate_context(person, row),
        "recordings": recordings_of(row) if sees_everything(person) or row.user_id == person.pk else [],
        **connect_context(person, row),
        **connections_context(row),
        **comparison_context(person, row),
    }
    folder = "sessions_app/pages/sessions"
    return live_response(request, f"{folder}/session.html", f"{folder}/session_body.html", context)


@require_safe
def session_log(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show the log of one session.

    Each time that the page is opened is logged. Refreshes are not, and downloads have their own entry.
    """
    person = viewer(request)
    row = get_object_or_404(sessions_queryset(person), pk=pk)
    response = list_response(
        request,
        LOG_TABLE,
        with_line_numbers(row),
        "sessions_app/pages/sessions/session_log.html",
        filterset=SessionLogFilters,
        context={"heading": f"Log of {row}", "number": row.pk, "session": row, "status": status_cell(row)},
        csv_name=f"session-{row.pk}-log",
    )
    is_opening = request.method == "GET" and not is_fragment(request) and "csv" not in request.GET
    if is_opening and response.status_code == 200:
        log.record(Verb.LOG_VIEWED, f"Read the log of session {row.pk}, {row}", actor=person, target=row)
    return response
