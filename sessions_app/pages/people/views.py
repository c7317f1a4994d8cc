"""Lists of users, groups and applications, and a page of each with its sessions, login sessions and log entries.

People see their own page; all other pages are for administrators and auditors. account_control.py locks and cuts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, Group
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_safe
from django_filters import FilterSet

from activity import names
from activity.listing import Table, list_response
from activity.listing.response import bad_list_response
from activity.models import LogEntry
from activity.reading import note_reading
from activity.tables import log_table
from activity.typed import typed
from activity.verbs import Verb
from activity.viewer import viewer
from sessions_app.configuration.views import Configuration
from sessions_app.logins.backend import current_login
from sessions_app.logins.filters import LoginFilters
from sessions_app.logins.tables import logins_queryset, logins_table
from sessions_app.pages.people import tables
from sessions_app.pages.people.configuration import APPLICATIONS, GROUPS, USERS
from sessions_app.pages.people.facts import AccountFacts, GroupFacts
from sessions_app.pages.people.filters import ApplicationFilter, SessionsOfOneUserFilter, UserFilter
from sessions_app.pages.people.rights import rights
from sessions_app.people.models import Application
from sessions_app.permission import administrator_refusal, role_of
from sessions_app.privileged.filters import AnyStatusFilters
from sessions_app.privileged.tables import sessions_queryset, sessions_table
from sessions_app.privileged.toolbar import sessions_toolbar
from sessions_app.roles import is_administrator, sees_everything

TABS = {"sessions": "Sessions", "logins": "Session Information", "activity": "Activity"}
ACCOUNT_TABS = {**TABS, "rights": "Rights"}
GROUP_TABS = {**TABS, "members": "Members"}


@require_safe
def users(request: HttpRequest) -> HttpResponseBase:
    """Show every person. Applications have a list of their own."""
    return _list(request, tables.users_table(), tables.users_queryset(), USERS, UserFilter)


@require_safe
def groups(request: HttpRequest) -> HttpResponseBase:
    """Show the list of all groups."""
    return _list(request, tables.groups_table(), tables.groups_queryset(), GROUPS)


@require_safe
def applications(request: HttpRequest) -> HttpResponseBase:
    """Show the list of all applications."""
    return _list(request, tables.applications_table(), tables.applications_queryset(), APPLICATIONS, ApplicationFilter)


def _list(
    request: HttpRequest,
    table: Table,
    rows: QuerySet[Any],
    configuration: Configuration,
    filterset: type[FilterSet] | None = None,
) -> HttpResponseBase:
    """Return a list of everybody, for administrators and auditors only."""
    if not sees_everything(viewer(request)):
        raise PermissionDenied(f"Only administrators and auditors see the list of {table.nouns}.")
    table = dataclasses.replace(table, add_link=configuration.add_link(request))
    context = {"heading": table.nouns.capitalize()}
    return list_response(
        request, table, rows, "sessions_app/pages/people/people_list.html", filterset=filterset, context=context
    )


@require_safe
def user(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show one person with their sessions, login sessions and log entries.

    The account of an application is redirected to the page of the application.
    """
    found = get_object_or_404(tables.visible_accounts(viewer(request)), pk=pk)
    application_of = Application.objects.filter(principal=found).first()
    if application_of is not None and sees_everything(viewer(request)):
        return redirect(application_of)
    facts = AccountFacts(viewer(request), found)
    context = {
        "heading": found.get_username(),
        "account": found,
        "facts": facts,
        "links": USERS.links(request, found),
    }
    template = "sessions_app/pages/people/user.html"
    return _page_with_tabs(request, _Subject(ACCOUNT_TABS, {"user": found.pk}, _about(found), template, context))


@require_safe
def application(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show one application, as the page of a user does."""
    if not sees_everything(viewer(request)):
        get_object_or_404(Application.objects.none(), pk=pk)
    found = get_object_or_404(Application.objects.select_related("principal", "owner"), pk=pk)
    context = {
        "heading": str(found),
        "application": found,
        "account": found.principal,
        "facts": AccountFacts(viewer(request), found.principal),
        "links": APPLICATIONS.links(request, found),
    }
    entries = _about(found.principal) | Q(target_type=found._meta.label_lower, target_id=found.pk)
    return _page_with_tabs(
        request,
        _Subject(
            ACCOUNT_TABS, {"user": found.principal_id}, entries, "sessions_app/pages/people/application.html", context
        ),
    )


@require_safe
def group(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show one group: its members, and what they do."""
    visible = Group.objects.all() if sees_everything(viewer(request)) else Group.objects.none()
    found = get_object_or_404(visible, pk=pk)
    members = get_user_model().objects.filter(groups=found).values("pk")
    entries = Q(actor__in=members) | Q(user__in=members)
    entries |= Q(target_type=found._meta.label_lower, target_id=found.pk)
    context = {
        "heading": found.name,
        "group": found,
        "facts": GroupFacts(found, administrator_refusal(**role_of(viewer(request)))),
        "links": GROUPS.links(request, found),
    }
    return _page_with_tabs(
        request,
        _Subject(GROUP_TABS, {"user__groups": found.pk}, entries, "sessions_app/pages/people/group.html", context),
    )


def _about(account: AbstractUser) -> Q:
    """Return a condition for log entries that the account caused, that concern it, or that changed it."""
    changed = Q(target_type=account._meta.label_lower, target_id=account.pk)
    return Q(actor=account) | Q(user=account) | changed


@dataclasses.dataclass(frozen=True, slots=True)
class _Subject:
    """The user, application or group that a page with tabs is about.

    It says how the rows of people are filtered to it, and which log entries concern it.
    """

    tabs: Mapping[str, str]
    scope: Mapping[str, int]
    entries: Q
    template: str
    context: Mapping[str, Any]


def _page_with_tabs(request: HttpRequest, subject: _Subject) -> HttpResponseBase:
    """Return the list of the chosen tab, in the page of the subject."""
    chosen = typed(request.GET, "tab") or "sessions"
    if chosen not in subject.tabs:
        return bad_list_response(request, f"This page has no tab called “{chosen[:40]}”.")
    context = {**subject.context, "tabs": subject.tabs, "tab": chosen}
    return LISTS[chosen](request, subject, context)


def _file_name(request: HttpRequest, what: str) -> str:
    """Return the name of a download of this page: "sessions-of-users-7"."""
    return f"{what}-of{request.path.rstrip('/').replace('/', '-')}"


def _sessions(request: HttpRequest, subject: _Subject, context: dict[str, Any]) -> HttpResponseBase:
    person = viewer(request)
    return list_response(
        request,
        sessions_table(person, with_history=True),
        sessions_queryset(person).filter(**subject.scope),
        subject.template,
        filterset=SessionsOfOneUserFilter if "user" in subject.scope else AnyStatusFilters,
        extra=("tab",),
        context={**context, "toolbar": SimpleLazyObject(lambda: sessions_toolbar(person, with_history=True))},
        csv_name=_file_name(request, "sessions"),
    )


def _logins(request: HttpRequest, subject: _Subject, context: dict[str, Any]) -> HttpResponseBase:
    person = viewer(request)
    may_log_out = person.pk == subject.scope.get("user") or is_administrator(person)
    return list_response(
        request,
        logins_table(person, current_login(request)),
        logins_queryset(person).filter(**subject.scope),
        subject.template,
        filterset=LoginFilters,
        extra=("tab",),
        context={**context, "never_logs_out": not may_log_out},
        csv_name=_file_name(request, "logins"),
    )


def _entries(request: HttpRequest, subject: _Subject, context: dict[str, Any]) -> HttpResponseBase:
    table = dataclasses.replace(log_table(), search=("message", "target_name", "actor_name", "user_name"))
    response = list_response(
        request,
        table,
        names.logged(LogEntry.objects.visible_to(viewer(request)).filter(subject.entries)),
        subject.template,
        extra=("tab",),
        context=context,
        csv_name=_file_name(request, "activity"),
    )
    note_reading(request, response, Verb.LOG_READ, f"Read the activity log of {context['heading']}")
    return response


def _members(request: HttpRequest, subject: _Subject, context: dict[str, Any]) -> HttpResponseBase:
    return list_response(
        request,
        tables.users_table("members"),
        tables.members_queryset(context["group"]),
        subject.template,
        filterset=UserFilter,
        extra=("tab",),
        context=context,
        csv_name=_file_name(request, "members"),
    )


def _rights(request: HttpRequest, subject: _Subject, context: dict[str, Any]) -> HttpResponseBase:
    return rights(request, context["account"], context)


LISTS: Mapping[str, Callable[[HttpRequest, _Subject, dict[str, Any]], HttpResponseBase]] = {
    "sessions": _sessions,
    "logins": _logins,
    "activity": _entries,
    "members": _members,
    "rights": _rights,
}
