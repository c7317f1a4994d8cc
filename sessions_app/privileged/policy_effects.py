"""Says what an access policy gives before it is saved: to how many people, where, and which other policies overlap.

The number of queries does not depend on how many people, hosts and policies there are.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import BooleanField, Case, Count, Q, QuerySet, Value, When

from activity.listing import span_of_time
from sessions_app.catalogue.models import AccessPolicy, Activity, ConnectionProfile, Platform, Resource
from sessions_app.privileged.try_it import names_of_tiers

MOST_OVERLAPS = 10  # policies that are named
MOST_NAMES = 5  # in one sentence
LONGEST_NAME = 120  # characters of the name of a policy


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """What a policy names so far, by primary keys. `pk` is that of the policy, None for a new one."""

    users: frozenset[int]
    groups: frozenset[int]
    activities: frozenset[int]
    resources: frozenset[int]
    profile_id: int | None
    priority: int = 100
    name: str = ""
    is_active: bool = True
    pk: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Overlap:
    """Another policy that gives the same people the same activities on the same resources."""

    policy: AccessPolicy
    comes_first: bool  # whether the other one decides
    combinations: int


@dataclasses.dataclass(frozen=True, slots=True)
class Effects:
    """What a selection gives. `refusals` are pairs of a field and why the policy would give nobody anything."""

    people: int  # with an active account
    hosts: int  # active resources for which an activity fits
    pairs: int  # of an activity and a resource of one platform, both active
    lasts: str
    approval: tuple[str, ...]
    confirms: str  # when a fresh second factor is asked for; empty for never
    has_profile: bool
    overlaps: tuple[Overlap, ...]
    more_overlaps: int
    unused: tuple[str, ...]
    refusals: tuple[tuple[str, str], ...]
    suggested_name: str

    @property
    def combinations(self) -> int:
        """Return the number of people times activities on resources."""
        return self.people * self.pairs


@dataclasses.dataclass(frozen=True, slots=True)
class _Named:
    """The rows that a selection names."""

    people: dict[int, bool]  # accounts, directly or by a group, and whether they are active
    names: list[str]
    empty_groups: list[str]
    activities: list[Activity]
    resources: list[Resource]

    @property
    def active(self) -> frozenset[int]:
        return frozenset(pk for pk, is_active in self.people.items() if is_active)


def effects_of(selection: Selection) -> Effects:
    """Return what the selection gives, and why it would be refused."""
    named = _read(selection)
    fitting = _pairs(named.activities, named.resources)
    active = [one for one in named.activities if one.is_active], [one for one in named.resources if one.is_active]
    platforms = {one.platform for one in active[0]}
    profile = ConnectionProfile.objects.filter(pk=selection.profile_id).first() if selection.profile_id else None
    name = _suggested_name(named, selection.pk)
    overlaps = _overlaps(selection, selection.name or name, named) if selection.is_active else []
    return Effects(
        people=len(named.active),
        hosts=sum(1 for one in active[1] if one.platform in platforms),
        pairs=_pairs(*active),
        lasts=span_of_time(profile.maximum_duration) if profile else "",
        approval=names_of_tiers([profile.pk]).get(profile.pk, ()) if profile else (),
        confirms=profile.confirms if profile else "",
        has_profile=profile is not None,
        overlaps=tuple(overlaps[:MOST_OVERLAPS]),
        more_overlaps=max(len(overlaps) - MOST_OVERLAPS, 0),
        unused=tuple(_unused(named)),
        refusals=tuple(_refusals(selection, named, fitting)),
        suggested_name=name,
    )


def selection_of(policy: AccessPolicy) -> Selection:
    """Return what a policy names now."""
    through = {name: getattr(policy, name) for name in ("users", "groups", "activities", "resources")}
    keys = {name: frozenset(things.values_list("pk", flat=True)) for name, things in through.items()}
    return Selection(
        **keys,
        profile_id=policy.profile_id,
        priority=policy.priority,
        name=policy.name,
        is_active=policy.is_active,
        pk=policy.pk,
    )


def _read(selection: Selection) -> _Named:
    users = get_user_model()._default_manager
    everybody = users.filter(_named_by(selection)).order_by().values_list("pk", "is_active").distinct()
    groups = Group.objects.filter(pk__in=selection.groups).annotate(members=Count("user")).order_by("name")
    directly = users.filter(pk__in=selection.users).order_by("username").values_list("username", flat=True)
    group_rows = list(groups)
    return _Named(
        people=dict(everybody) if selection.users or selection.groups else {},
        names=[*(group.name for group in group_rows), *directly],
        empty_groups=[group.name for group in group_rows if not group.members],
        activities=list(Activity.objects.filter(pk__in=selection.activities).order_by("name")),
        resources=list(
            Resource.objects.filter(pk__in=selection.resources)
            .order_by("name")
            .only("name", "platform", "is_active", "connector")
        ),
    )


def _named_by(selection: Selection) -> Q:
    return Q(pk__in=selection.users) | Q(groups__in=selection.groups)


def _pairs(activities: Iterable[Activity], resources: Iterable[Resource]) -> int:
    """Return how many activities fit how many resources: those of the same platform."""
    there = Counter(one.platform for one in resources)
    return sum(there[one.platform] for one in activities)


def _refusals(selection: Selection, named: _Named, fitting: int) -> Iterable[tuple[str, str]]:
    if not selection.users and not selection.groups:
        yield "users", "Choose at least one person or group: else the policy gives nobody anything."
    elif not named.people:
        yield (
            "groups",
            (
                f"Nobody is a member of {_listed(named.empty_groups)}, so that the policy gives nobody anything. "
                "Put somebody in first, or choose a person."
            ),
        )
    if not named.resources:
        yield "resources", "Choose at least one resource: else the policy gives nothing."
    if not named.activities:
        yield "activities", "Choose at least one activity: else the policy gives nothing."
    if named.activities and named.resources and not fitting:
        made_for = _listed(sorted({_platform(one) for one in named.activities}))
        are = _listed(sorted({_platform(one) for one in named.resources}))
        yield (
            "activities",
            (f"No chosen activity fits a chosen resource: the activities are for {made_for}, the resources are {are}."),
        )


def _unused(named: _Named) -> Iterable[str]:
    """Yield a sentence for each thing that the policy would give and nobody can use."""
    of_resources, of_activities = ({one.platform for one in things} for things in (named.resources, named.activities))
    useless = [one.name for one in named.activities if one.platform not in of_resources]
    if useless and named.resources:
        yield f"No chosen resource has the platform of {_listed(useless)}."
    unreached = [one.name for one in named.resources if one.platform not in of_activities]
    if unreached and named.activities:
        yield f"No chosen activity is for the platform of {_listed(unreached)}."
    if off := [one.name for one in named.activities if not one.is_active]:
        yield f"Inactive, so that nobody can request it: {_listed(off)}."
    if off := [one.name for one in named.resources if not one.is_active]:
        yield f"Inactive, so that no session starts there: {_listed(off)}."
    if named.empty_groups and named.people:
        yield f"Nobody is a member of {_listed(named.empty_groups)}."
    if disabled := len(named.people) - len(named.active):
        yield f"{disabled} of the accounts {'is' if disabled == 1 else 'are'} disabled."


def _overlaps(selection: Selection, name: str, named: _Named) -> list[Overlap]:
    """Return the other active policies that give some of the same, the one that is asked first at the top."""
    activities = {one.pk: one.platform for one in named.activities}
    resources = {one.pk: one.platform for one in named.resources}
    if not (named.active and activities and resources):
        return []
    through = AccessPolicy.activities.through._default_manager, AccessPolicy.resources.through._default_manager
    of_activities = through[0].filter(activity__in=activities)
    of_resources = through[1].filter(resource__in=resources)
    before = Q(priority__lt=selection.priority) | Q(priority=selection.priority, name__lt=name)
    others = (
        AccessPolicy.objects.filter(is_active=True)
        .exclude(pk__in=[selection.pk] if selection.pk else [])
        .filter(pk__in=of_activities.values("accesspolicy"))
        .filter(pk__in=of_resources.values("accesspolicy"))
        .annotate(comes_first=Case(When(before, then=Value(True)), default=Value(False), output_field=BooleanField()))
        .order_by("priority", "name")
    )
    candidates = list(others)
    first = {one.pk for one in candidates if one.comes_first}  # type: ignore[attr-defined] # of annotate()
    keys = [one.pk for one in candidates]
    pairs: Counter[int] = Counter()
    there: Counter[tuple[int, str]] = Counter(
        (policy_id, resources[pk])
        for policy_id, pk in of_resources.filter(accesspolicy__in=keys).values_list("accesspolicy_id", "resource_id")
    )
    for policy_id, pk in of_activities.filter(accesspolicy__in=keys).values_list("accesspolicy_id", "activity_id"):
        pairs[policy_id] += there[policy_id, activities[pk]]
    people = _people_of(keys, selection)
    return [
        Overlap(one, one.pk in first, combinations)
        for one in candidates
        if (combinations := pairs[one.pk] * len(people.get(one.pk, ())))
    ]


def _people_of(policies: Collection[int], selection: Selection) -> dict[int, set[int]]:
    """Return which active people of the selection each of these policies names too."""
    ours: QuerySet[Any] = get_user_model()._default_manager.filter(_named_by(selection), is_active=True).order_by()
    keys = ours.values("pk")
    found: dict[int, set[int]] = {}
    directly = AccessPolicy.users.through._default_manager.filter(accesspolicy__in=policies, user__in=keys)
    for policy_id, user_id in directly.values_list("accesspolicy_id", "user_id"):
        found.setdefault(policy_id, set()).add(user_id)
    by_group = AccessPolicy.groups.through._default_manager.filter(accesspolicy__in=policies, group__user__in=keys)
    for policy_id, user_id in by_group.values_list("accesspolicy_id", "group__user").distinct():
        found.setdefault(policy_id, set()).add(user_id)
    return found


def _suggested_name(named: _Named, pk: int | None) -> str:
    """Return a name made from the sentence, which no other policy has; an empty string if a part is missing."""
    parts = [named.names, [one.name for one in named.activities], [one.name for one in named.resources]]
    if not all(parts):
        return ""
    who, what, where = (_shortened(names) for names in parts)
    name = f"{who}: {what} on {where}"[:LONGEST_NAME]
    taken = set(
        AccessPolicy.objects.filter(name__startswith=name[:100])
        .exclude(pk__in=[pk] if pk else [])
        .values_list("name", flat=True)
    )
    number = 2
    wanted = name
    while wanted in taken:
        wanted = f"{name[: LONGEST_NAME - 6]} ({number})"
        number += 1
    return wanted


def _shortened(names: list[str]) -> str:
    return names[0][:40] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _platform(thing: Activity | Resource) -> str:
    return str(Platform(thing.platform).label)
