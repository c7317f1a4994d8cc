"""The list of privileged sessions."""

from __future__ import annotations

import dataclasses

import django_filters
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_safe

from activity.listing import Card, Table, list_response
from activity.listing.response import bad_list_response
from activity.typed import typed
from activity.viewer import viewer
from sessions_app.help.hints import help_hint
from sessions_app.privileged.filters import ActiveFilters, HistoricalFilters, SessionFilters
from sessions_app.privileged.models import ENDED, LIVE, PrivilegedSession, Status
from sessions_app.privileged.policy import NOT_BEGUN
from sessions_app.privileged.tables import names_and_connectors_now, sessions_queryset, sessions_table
from sessions_app.privileged.toolbar import role_refusals, sessions_toolbar
from sessions_app.roles import Person, sees_everything
from sessions_app.worker.health.heartbeat import is_worker_missed


@dataclasses.dataclass(frozen=True, slots=True)
class Tab:
    """One tab of the list: its statuses and its filters."""

    label: str
    statuses: frozenset[Status]
    filters: type[django_filters.FilterSet]
    empty_text: str  # what goes there
    with_history: bool = False


TABS = {
    "active": Tab(
        "Active",
        LIVE,
        ActiveFilters,
        help_hint(
            "A session is here from when it begins until its rights are taken away.",
            "lifecycle",
            "a-request",
            "How a request becomes a session",
        ),
    ),
    "scheduled": Tab("Scheduled", frozenset({Status.PENDING}), SessionFilters, "Sessions that begin later wait here."),
    "historical": Tab("Historical", ENDED, HistoricalFilters, "Sessions stay here after their end.", with_history=True),
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
        _table_of(person, tab),
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


def _table_of(person: AbstractUser, tab: Tab) -> Table:
    """Return the table of a tab, which says when it is empty what goes there, with a link for whoever may request."""
    table = sessions_table(person, with_history=tab.with_history, only_ended=tab.statuses == ENDED)
    may_request = "request" not in role_refusals(person)
    add_link = ("Request session", reverse("session_request")) if may_request else ("", "")
    if tab.statuses <= NOT_BEGUN:  # what has no end yet says on its card when it begins
        table = dataclasses.replace(table, card=Card("host", "status", "user", "start"))
    return dataclasses.replace(table, empty_text=tab.empty_text, add_link=add_link)


def _of_tab(person: AbstractUser, tab: Tab) -> QuerySet[PrivilegedSession]:
    """Return the sessions of a tab.

    The few open sessions are found by having no end. By their statuses alone SQLite may expect so many that it reads
    the whole table (measured with 100,000 after ANALYZE: 20 ms). The many ended ones are found by excluding the open
    ones, so that SQLite reads them in the order of the list and stops after a page (measured with 300,000: 50 ms
    against 280 ms). Ended sessions need no data for decisions or extensions.
    """
    if tab.statuses == ENDED:
        ended = PrivilegedSession.objects.visible_to(person).exclude(status__in=sorted(set(Status) - ENDED))
        return ended.annotate(**names_and_connectors_now())
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
