"""The pages of one session, a tab each: Overview, Terminal, Recordings and Log. All but the log refresh themselves."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from activity.listing import link, list_response
from activity.names import then_and_now
from activity.reading import note_reading
from activity.verbs import Verb
from activity.viewer import viewer
from sessions_app.gateway.recordings.tables import recordings_of
from sessions_app.gateway.views import connect_context, connections_context
from sessions_app.hosts.key_views import certificate_context
from sessions_app.pages.catalogue.tables import practice_badge
from sessions_app.pages.sessions.facts import comparison_context, overview_context
from sessions_app.pages.sessions.head import head_context, may_see_recordings, tabs_context
from sessions_app.privileged.flows.start_check import why_right_is_gone
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession
from sessions_app.privileged.session_log import LOG_TABLE, with_line_numbers
from sessions_app.privileged.session_log_filters import SessionLogFilters
from sessions_app.privileged.tables import Links, sessions_queryset
from sessions_app.refreshing_pages import live_response
from sessions_app.vault.views import secrets_context

FOLDER = "sessions_app/pages/sessions"


@require_safe
def session(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show everything about one session: facts, approvals, controls and timeline; for a vault, its secrets."""
    person, row = _found(request, pk)
    links = Links(person)
    context = overview_context(row) | {
        "user_link": then_and_now(row.user_name, row.user.get_username(), link(links.user(row), row.user_name)),
        "resource_link": format_html(
            "{} {}", link(links.resource(row), row.resource_name), practice_badge(row.resource)
        ),
        "activity_link": link(links.activity(row), row.activity_name),
        **secrets_context(person, row),
        **comparison_context(person, row),
    }
    return _tab(request, person, row, "overview", context)


@require_safe
def session_connections(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show how the session's user connects, and who is and was connected through the gateway."""
    person, row = _found(request, pk)
    context = {
        **connect_context(person, row),
        **certificate_context(person, row),
        **connections_context(row),
        "is_reached_by_ssh": row.resource.capabilities.can_certify,
    }
    return _tab(request, person, row, "terminal", context)


@require_safe
def session_recordings(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show what was recorded of the session, to those who may see recordings of it."""
    person, row = _found(request, pk)
    if not may_see_recordings(person, row):
        raise PermissionDenied("Only the person a session is for, administrators and auditors see its recordings.")
    return _tab(request, person, row, "recordings", {"recordings": recordings_of(row)})


@require_safe
def session_log(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show the log of one session.

    Who reads it is logged once in a quarter of an hour. Refreshes are not, and downloads have their own entry.
    """
    person = viewer(request)
    row = get_object_or_404(sessions_queryset(person), pk=pk)
    response = list_response(
        request,
        LOG_TABLE,
        with_line_numbers(row),
        "sessions_app/pages/sessions/session_log.html",
        filterset=SessionLogFilters,
        context=tabs_context(person, row, "log") | {"heading": f"Log of {row}"},
        csv_name=f"session-{row.pk}-log",
    )
    note_reading(request, response, Verb.LOG_VIEWED, f"Read the log of session {row.pk}, {row}", target=row)
    return response


def _found(request: HttpRequest, pk: int) -> tuple[AbstractUser, PrivilegedSession]:
    """Return who asks, and the session if they may see it."""
    person = viewer(request)
    rows = sessions_queryset(person).select_related("resource", "activity", "user", "policy")
    row = get_object_or_404(rows, pk=pk)
    if row.status in HOLDS_GRANT:
        row.right_gone = why_right_is_gone(row)
    return person, row


def _tab(
    request: HttpRequest, person: AbstractUser, row: PrivilegedSession, tab: str, context: dict[str, Any]
) -> HttpResponse:
    context = head_context(person, row, tab) | context
    left = context["time_left"]
    ticking = left.ticking() if left else ""
    return live_response(request, f"{FOLDER}/session.html", f"{FOLDER}/session_{tab}.html", context, ticking=ticking)
