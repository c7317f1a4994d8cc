"""The lists of resources, activities, profiles and policies, and which of them a person may see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from activity.listing import Column, Table, badge, empty, link, span_of_time
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.counting import count_of
from sessions_app.privileged.models import LIVE, PrivilegedSession
from sessions_app.roles import Person, sees_everything


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
    return Column(
        key,
        label,
        lambda row: link(row.get_absolute_url(), row.name),
        sort="name",
        csv=lambda row: row.name,
        width=220,
    )


def _number(key: str, label: str, path: str, width: int = 120) -> Column:
    def value(row: Any) -> int:
        return int(getattr(row, path))

    return Column(key, label, lambda row: str(value(row)), sort=path, csv=value, width=width, is_number=True)


def _yes_no(key: str, label: str, path: str) -> Column:
    return Column(
        key,
        label,
        lambda row: "Yes" if getattr(row, path) else "No",
        sort=path,
        csv=lambda row: getattr(row, path),
        width=120,
    )


def _span(key: str, label: str, path: str) -> Column:
    return Column(
        key,
        label,
        lambda row: span_of_time(getattr(row, path)),
        sort=path,
        csv=lambda row: getattr(row, path),
        width=140,
    )


def _platform() -> Column:
    return Column(
        "platform",
        "Platform",
        lambda row: row.get_platform_display(),
        sort="platform",
        csv=lambda row: row.get_platform_display(),
        width=130,
    )


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

    return Column("state", "State", cell, csv=text, width=110)


def resource_state(resource: Any) -> str:
    """Return Open, Locked or Inactive. The row needs the annotation lock_title."""
    if not resource.is_active:
        return "Inactive"
    return "Locked" if resource.lock_title is not None else "Open"


def _active_or_not(row: Any) -> str:
    return "Active" if row.is_active else "Inactive"


RESOURCES = Table(
    name="resources",
    columns=(
        _name("resource", "Resource"),
        _platform(),
        Column("address", "Address", lambda r: empty(r.address), sort="address", csv=lambda r: r.address, width=220),
        Column("port", "Port", lambda r: str(r.port), sort="port", csv=lambda r: r.port, width=80, is_number=True),
        _state(resource_state),
        _number("active", "Active sessions", "live_sessions", 150),
        Column("description", "Description", lambda r: empty(r.description), csv=lambda r: r.description, width=280),
    ),
    default_sort="resource",
    noun="resource",
    nouns="resources",
    search=("name", "address", "description"),
    empty_text="You see the resources that an access policy gives you.",
)
ACTIVITIES = Table(
    name="activities",
    columns=(
        _name("activity", "Activity"),
        _platform(),
        Column(
            "account",
            "Login account",
            lambda row: row.login_account_template,
            sort="login_account_template",
            csv=lambda row: row.login_account_template,
        ),
        _state(_active_or_not),
        _number("active", "Active sessions", "live_sessions", 150),
        Column("description", "Description", lambda r: empty(r.description), csv=lambda r: r.description, width=320),
    ),
    default_sort="activity",
    noun="activity",
    nouns="activities",
    search=("name", "description"),
    empty_text="You see the activities that an access policy gives you.",
)
PROFILES = Table(
    name="profiles",
    columns=(
        _name("profile", "Connection profile"),
        _span("duration", "Maximum duration", "maximum_duration"),
        _number("tiers", "Approval tiers", "tier_count"),
        _span("extension", "Extension by", "extension_by"),
        _number("extensions", "Extensions", "extension_limit"),
        _yes_no("notes", "Notes required", "notes_required"),
        _yes_no("ticket", "Ticket required", "ticket_required"),
        _yes_no("record", "Recorded", "record"),
        _number("policies", "Policies", "policy_count"),
    ),
    default_sort="profile",
    noun="connection profile",
    nouns="connection profiles",
    search=("name",),
    empty_text="You see the connection profiles that your access policies use.",
)
POLICIES = Table(
    name="policies",
    columns=(
        _name("policy", "Access policy"),
        _number("priority", "Priority", "priority", 90),
        Column(
            "profile",
            "Connection profile",
            lambda row: link(row.profile.get_absolute_url(), row.profile),
            sort="profile__name",
            csv=lambda row: row.profile,
            width=220,
        ),
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
    empty_text="An administrator adds access policies in the administration.",
)
