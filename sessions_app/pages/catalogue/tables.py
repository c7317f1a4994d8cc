"""The lists of resources, activities, profiles and policies, and which of them a person may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.html import format_html

from activity.listing import Card, Column, Table, badge, link
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.privileged.models import LIVE, PrivilegedSession
from sessions_app.roles import Person, sees_everything
from sessions_app.row_counts import count_of


def visible_resources(viewer: Person) -> QuerySet[Resource]:
    """Return all resources for administrators and auditors.

    For others return those of their own policies, and of sessions that they may see.
    """
    if sees_everything(viewer):
        return Resource.objects.all()
    of_sessions = PrivilegedSession.objects.visible_to(viewer).values("resource_id")
    of_policies = AccessPolicy.objects.for_user(viewer).order_by().values("resources")
    return Resource.objects.filter(Q(pk__in=of_policies) | Q(pk__in=of_sessions))


def visible_activities(viewer: Person) -> QuerySet[Activity]:
    """Return all activities for administrators and auditors.

    For others return those of their own policies, and of sessions that they may see.
    """
    if sees_everything(viewer):
        return Activity.objects.all()
    of_sessions = PrivilegedSession.objects.visible_to(viewer).values("activity_id")
    of_policies = AccessPolicy.objects.for_user(viewer).order_by().values("activities")
    return Activity.objects.filter(Q(pk__in=of_policies) | Q(pk__in=of_sessions))


def visible_profiles(viewer: Person) -> QuerySet[ConnectionProfile]:
    """Return all profiles for administrators and auditors, and for others those that their own policies use."""
    if sees_everything(viewer):
        return ConnectionProfile.objects.all()
    return ConnectionProfile.objects.filter(pk__in=AccessPolicy.objects.for_user(viewer).order_by().values("profile"))


def resources_queryset(viewer: Person) -> QuerySet[Resource]:
    """Return the resources that `viewer` may see, with their lock that is in force and the number of live sessions."""
    sessions = PrivilegedSession.objects.visible_to(viewer).filter(resource=OuterRef("pk"), status__in=LIVE)
    lock = ResourceLock.objects.in_force().filter(resource=OuterRef("pk"))
    return visible_resources(viewer).annotate(
        lock_title=Subquery(lock.values("title")[:1]), live_sessions=count_of(sessions, "resource")
    )


def activities_queryset(viewer: Person) -> QuerySet[Activity]:
    """Return the activities that `viewer` may see, with the number of live sessions."""
    sessions = PrivilegedSession.objects.visible_to(viewer).filter(activity=OuterRef("pk"), status__in=LIVE)
    return visible_activities(viewer).annotate(live_sessions=count_of(sessions, "activity"))


def profiles_queryset(viewer: Person) -> QuerySet[ConnectionProfile]:
    """Return the profiles that `viewer` may see, with the numbers of their tiers and of policies that use them."""
    policies = AccessPolicy.objects.filter(profile=OuterRef("pk"))
    tiers = ApprovalTier.objects.filter(profile=OuterRef("pk"))
    return visible_profiles(viewer).annotate(
        tier_count=count_of(tiers, "profile"), policy_count=count_of(policies, "profile")
    )


def policies_queryset() -> QuerySet[AccessPolicy]:
    """Return every policy, with the numbers of what it names."""

    def members(field: str) -> Any:
        through = getattr(AccessPolicy, field).through
        return count_of(through.objects.filter(accesspolicy=OuterRef("pk")), "accesspolicy")

    return AccessPolicy.objects.select_related("profile").annotate(
        user_count=members("users"),
        group_count=members("groups"),
        activity_count=members("activities"),
        resource_count=members("resources"),
    )


def _name(key: str, label: str) -> Column:
    return Column(key, label, "name", 190, lambda row: link(row.get_absolute_url(), row.name))


def practice_badge(resource: Resource) -> str:
    """Return the badge of a resource that is only pretended; an empty string for any other."""
    return badge("warning", "Practice", "flag") if resource.capabilities.is_practice else ""


def _resource(row: Resource) -> str:
    name = link(row.get_absolute_url(), row.name)
    return format_html("{} {}", name, shown) if (shown := practice_badge(row)) else name


def _number(key: str, label: str, path: str, width: int = 120) -> Column:
    return Column(key, label, path, width, is_number=True)


def _platform() -> Column:
    return Column("platform", "Platform", "platform", 130, _platform_name, _platform_name)


def _platform_name(row: Any) -> str:
    return str(row.get_platform_display())


def _state(text: Callable[[Any], str]) -> Column:
    """Return the column for open, locked or inactive."""
    looks = {
        "Open": ("available", "check"),
        "Active": ("available", "check"),
        "Locked": ("locked", "lock"),
        "Inactive": ("complete", "ban"),
    }

    def cell(row: Any) -> str:
        kind, icon = looks[text(row)]
        return badge(kind, text(row), icon)

    return Column("state", "State", width=110, cell=cell, csv=text)


def resource_state(resource: Any) -> str:
    """Return Open, Locked or Inactive. The row needs the annotation lock_title."""
    if not resource.is_active:
        return "Inactive"
    return "Locked" if resource.lock_title is not None else "Open"


def _active_or_not(row: Any) -> str:
    return "Active" if row.is_active else "Inactive"


def _profile(row: Any) -> str:
    return link(row.profile.get_absolute_url(), row.profile)


RESOURCES = Table(
    name="resources",
    columns=(
        Column("resource", "Resource", "name", 190, _resource, reads=("connector",)),
        _platform(),
        Column("address", "Address", "address", 220),
        _number("port", "Port", "port", 80),
        _state(resource_state),
        _number("active", "Active sessions", "live_sessions", 150),
        Column("description", "Description", "description", 280, sort=""),
    ),
    default_sort="resource",
    noun="resource",
    nouns="resources",
    search=("name", "address", "description"),
    empty_text="You see the resources that an access policy gives you.",
    opens="resource",
    card=Card("resource", "state", "address", "active"),
    flexible=("description", "address", "resource"),
    slow_csv="Platform and state are named by Python.",
)
ACTIVITIES = Table(
    name="activities",
    columns=(
        _name("activity", "Activity"),
        _platform(),
        Column("account", "Login account", "login_account_template"),
        _state(_active_or_not),
        _number("active", "Active sessions", "live_sessions", 150),
        Column("description", "Description", "description", 320, sort=""),
    ),
    default_sort="activity",
    noun="activity",
    nouns="activities",
    search=("name", "description"),
    empty_text="You see the activities that an access policy gives you.",
    opens="activity",
    card=Card("activity", "state", "account", "active"),
    flexible=("description", "activity"),
    slow_csv="Platform and state are named by Python.",
)
PROFILES = Table(
    name="profiles",
    columns=(
        _name("profile", "Connection profile"),
        Column("duration", "Maximum duration", "maximum_duration", 140),
        _number("tiers", "Approval tiers", "tier_count"),
        Column("extension", "Extension by", "extension_by", 140),
        _number("extensions", "Extensions", "extension_limit"),
        Column("notes", "Notes required", "notes_required", 120),
        Column("ticket", "Ticket required", "ticket_required", 120),
        Column("confirm_start", "Second factor at the start", "confirm_at_start", 200, is_hidden=True),
        Column("confirm_connect", "Second factor at each connect", "confirm_at_connect", 220, is_hidden=True),
        Column("record", "Recorded", "record", 120),
        _number("policies", "Policies", "policy_count"),
    ),
    default_sort="profile",
    noun="connection profile",
    nouns="connection profiles",
    search=("name",),
    empty_text="You see the connection profiles that your access policies use.",
    opens="profile",
    card=Card("profile", "duration", "tiers", "policies"),
    flexible=("profile",),
)
POLICIES = Table(
    name="policies",
    columns=(
        _name("policy", "Access policy"),
        _number("priority", "Priority", "priority", 90),
        Column("profile", "Connection profile", "profile__name", 220, _profile),
        _number("users", "Users", "user_count", 90),
        _number("groups", "Groups", "group_count", 90),
        _number("activities", "Activities", "activity_count", 100),
        _number("resources", "Resources", "resource_count", 100),
        _state(_active_or_not),
    ),
    default_sort="priority",
    noun="access policy",
    nouns="access policies",
    search=("name", "profile__name"),
    opens="policy",
    card=Card("policy", "state", "profile", "priority"),
    flexible=("policy", "profile"),
    slow_csv="The state is named by Python.",
)
