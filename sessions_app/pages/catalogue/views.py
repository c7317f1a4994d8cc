"""Pages of resources, activities, connection profiles and access policies.

Administrators and auditors see all of them, others what their policies allow. configuration.py changes them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.functional import SimpleLazyObject
from django.utils.html import conditional_escape
from django.views.decorators.http import require_safe
from django_filters import FilterSet

from activity.listing import Table, list_response
from activity.viewer import viewer
from sessions_app.catalogue.account_names import login_account_example
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.configuration.echo_views import typed_text
from sessions_app.configuration.views import Configuration
from sessions_app.help.hints import help_hint
from sessions_app.hosts.host_watch import CLOCK_IS_OFF, clock_words
from sessions_app.hosts.models import HostWatch
from sessions_app.hosts.ssh.keys import BadKey, read_public_key
from sessions_app.pages.catalogue import tables
from sessions_app.pages.catalogue.configuration import ACTIVITIES, POLICIES, PROFILES, RESOURCES
from sessions_app.pages.catalogue.filters import PlatformFilter, SessionsOnOneResourceFilter
from sessions_app.pages.try_it import question_about
from sessions_app.privileged.models import PrivilegedSession, Status
from sessions_app.privileged.policy_effects import effects_of, selection_of
from sessions_app.privileged.tables import sessions_queryset, sessions_table
from sessions_app.privileged.toolbar import sessions_toolbar
from sessions_app.roles import sees_everything

MOST_NAMES = 100  # on the page of a policy
MOST_IN_SENTENCE = 4  # of each part
WHAT_GOES_THERE = {  # what an empty list says to administrators and auditors, by the name of the table
    "resources": help_hint(
        "Hosts and secret vaults that sessions are requested for.",
        "hosts",
        "prepare-a-host-in-five-minutes",
        "How to prepare a host",
    ),
    "activities": help_hint(
        "What is done on a resource, such as patching Linux: its account, groups, sudo rule or commands.",
        "hosts",
        "what-an-activity-does",
        "What each kind of activity does on a host",
    ),
    "profiles": help_hint(
        "How long a session lasts, who approves it, and whether it is recorded.",
        "lifecycle",
        "approval",
        "How approval works",
    ),
    "policies": help_hint(
        "Who may request which activities on which resources, and under which connection profile.",
        "lifecycle",
        "write-an-access-policy",
        "How to write an access policy",
    ),
}


@require_safe
def resources(request: HttpRequest) -> HttpResponseBase:
    """Show the resources that the person may see."""
    rows = tables.resources_queryset(viewer(request))
    return _list(request, tables.RESOURCES, rows, PlatformFilter, configuration=RESOURCES)


@require_safe
def activity_kinds(request: HttpRequest) -> HttpResponseBase:
    """Show the activities that the person may see."""
    rows = tables.activities_queryset(viewer(request))
    return _list(request, tables.ACTIVITIES, rows, PlatformFilter, configuration=ACTIVITIES)


@require_safe
def profiles(request: HttpRequest) -> HttpResponseBase:
    """Show the connection profiles that the person may see."""
    return _list(request, tables.PROFILES, tables.profiles_queryset(viewer(request)), configuration=PROFILES)


@require_safe
def policies(request: HttpRequest) -> HttpResponseBase:
    """Show the access policies."""
    if not sees_everything(viewer(request)):
        raise PermissionDenied("Only administrators and auditors see the access policies.")
    return _list(request, tables.POLICIES, tables.policies_queryset(), configuration=POLICIES)


def _list(
    request: HttpRequest,
    table: Table,
    rows: QuerySet[Any],
    filterset: type[FilterSet] | None = None,
    *,
    configuration: Configuration | None = None,
) -> HttpResponseBase:
    """Return a list with the tabs of the catalogue, and for administrators the button that adds a row."""
    if sees_everything(viewer(request)):
        add_link = configuration.add_link(request) if configuration else ("", "")
        table = dataclasses.replace(table, empty_text=WHAT_GOES_THERE[table.name], add_link=add_link)
    context = {"heading": table.nouns.capitalize()}
    template = "sessions_app/pages/catalogue/catalogue_list.html"
    return list_response(request, table, rows, template, filterset=filterset, context=context)


@dataclasses.dataclass
class ResourceFacts:
    """What the page of a resource says above its list. Only the whole page reads it, and not a refresh of the list."""

    resource: Resource
    sessions: QuerySet[PrivilegedSession]

    @cached_property
    def lock(self) -> ResourceLock | None:
        """Return the lock that is in force, or None."""
        return ResourceLock.objects.in_force().filter(resource=self.resource).select_related("locked_by").first()

    @property
    def host_key(self) -> str:
        """Return kind and fingerprint of the host key; a text that is no key is returned as it is."""
        try:
            return f"{self.resource.host_key.split()[0]} {read_public_key(self.resource.host_key).fingerprint}"
        except (BadKey, IndexError):
            return self.resource.host_key

    @cached_property
    def clock(self) -> str:
        """Return by how much the host's clock differs; an empty string if it is right or unknown."""
        off = HostWatch.objects.clock_off(self.resource.pk)
        return clock_words(off) if abs(off) >= CLOCK_IS_OFF else ""

    @cached_property
    def live(self) -> int:
        """Return the number of sessions that hold rights on it now."""
        return self.sessions.live().count()  # type: ignore[attr-defined, no-any-return]  # a reverse name

    @cached_property
    def scheduled(self) -> int:
        """Return the number of sessions that start in the future."""
        return self.sessions.filter(status=Status.PENDING).count()

    @cached_property
    def policies(self) -> list[AccessPolicy]:
        """Return the policies that name the resource."""
        return list(self.resource.policies.select_related("profile"))


@require_safe
def resource(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show one resource with its lock, and the sessions on it that the person may see."""
    person = viewer(request)
    found = get_object_or_404(tables.visible_resources(person), pk=pk)
    rows = sessions_queryset(person).filter(resource=found)
    context = {
        "heading": found.name,
        "resource": found,
        "facts": ResourceFacts(found, PrivilegedSession.objects.visible_to(person).filter(resource=found)),
        "links": RESOURCES.links(request, found),
        "practice": tables.practice_badge(found),
        "toolbar": SimpleLazyObject(lambda: sessions_toolbar(person, with_history=True)),
    }
    return list_response(
        request,
        sessions_table(person, with_history=True),
        rows,
        "sessions_app/pages/catalogue/resource.html",
        filterset=SessionsOnOneResourceFilter,
        context=context,
        csv_name=f"sessions-of-resource-{found.pk}",
    )


@require_safe
def activity_kind(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one activity: what it gives and takes away, and which policies allow it."""
    person = viewer(request)
    found: Activity = get_object_or_404(tables.activities_queryset(person), pk=pk)
    context: dict[str, Any] = {"kind": found, "links": ACTIVITIES.links(request, found)}
    if sees_everything(person):
        context["policies"] = found.policies.select_related("profile")
    return render(request, "sessions_app/pages/catalogue/activity_kind.html", context)


@require_safe
def login_account_echo(request: HttpRequest) -> HttpResponse:
    """Return what the template of login accounts in the address makes, or why it cannot be used."""
    return HttpResponse(conditional_escape(login_account_example(typed_text(request))))


@require_safe
def profile(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one connection profile with its approval tiers."""
    person = viewer(request)
    found: ConnectionProfile = get_object_or_404(tables.profiles_queryset(person), pk=pk)
    context: dict[str, Any] = {"profile": found, "tiers": _tiers(found), "links": PROFILES.links(request, found)}
    if sees_everything(person):
        context["policies"] = found.policies.all()
    return render(request, "sessions_app/pages/catalogue/profile.html", context)


def _tiers(profile: ConnectionProfile) -> list[dict[str, object]]:
    """Return for each tier how many must approve, and the names of those who may."""
    tiers = ApprovalTier.objects.filter(profile=profile).prefetch_related("users", "groups").order_by("order")
    return [
        {
            "order": tier.order,
            "required": tier.required,
            "names": ", ".join(
                [
                    *sorted(user.get_username() for user in tier.users.all()),
                    *sorted(f"the group {group.name}" for group in tier.groups.all()),
                ]
            )
            or "nobody yet: such a request fails",
        }
        for tier in tiers
    ]


@require_safe
def policy(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one access policy: who may run what where, under which profile."""
    if not sees_everything(viewer(request)):
        raise Http404("Access policies are for administrators and auditors.")
    found = get_object_or_404(AccessPolicy.objects.select_related("profile"), pk=pk)
    parts = [
        ("Users", _first(found.users.order_by("username")), "user"),
        ("Groups", _first(found.groups.order_by("name")), "group"),
        ("Activities", _first(found.activities.all()), "activity_kind"),
        ("Resources", _first(found.resources.all()), "resource"),
    ]
    context = {
        "policy": found,
        "parts": parts,
        "sentence": list(_sentence({title: things for title, things, _ in parts})),
        "links": POLICIES.links(request, found),
        "effects": effects_of(selection_of(found)),
        "blanks": question_about(request),
    }
    return render(request, "sessions_app/pages/catalogue/policy.html", context)


def _sentence(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, list[tuple[str, Any]], int]]:
    """Yield the parts of a policy as a sentence: a word, the first things with their URL names, and how many more.

    Groups stand before people, as on the form.
    """
    for word, titles in (
        ("", (("Groups", "group"), ("Users", "user"))),
        ("may do", (("Activities", "activity_kind"),)),
        ("on", (("Resources", "resource"),)),
    ):
        things = [(url_name, thing) for title, url_name in titles for thing in parts[title]["shown"]]
        rest = len(things[MOST_IN_SENTENCE:]) + sum(parts[title]["more"] for title, _ in titles)
        yield word, things[:MOST_IN_SENTENCE], rest


def _first(things: QuerySet[Any]) -> dict[str, Any]:
    """Return the first hundred, and how many more there are."""
    shown = list(things[:MOST_NAMES])
    more = things.count() - len(shown) if len(shown) == MOST_NAMES else 0
    return {"shown": shown, "more": more}
