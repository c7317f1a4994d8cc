"""Says for all people at once what try_it.py says for one: which policy gives them what, and what stands in the way.

The number of queries does not depend on how many people, policies, activities and resources there are. People who have
the same policies share one list of pairs, so that 500 people and 500 hosts need little memory. An access review asks
the same by effective_rights.py, which wants to know also what policies give that do not count.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db.models import Q
from django.utils import timezone

from sessions_app.catalogue.exception_models import AccessException
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, Resource
from sessions_app.people.models import AccountLock, Application
from sessions_app.permission import AUDITORS_CHANGE_NOTHING
from sessions_app.privileged.flows.approvers import approvers_by_tier, auditors_only, shortage
from sessions_app.privileged.flows.bookings import BookedByEverybody
from sessions_app.privileged.flows.policy_inputs import Facts, Request, inputs_of
from sessions_app.privileged.try_it import obstacle_of

MOST_KEPT = 64  # lists of pairs

Key = tuple[int, int]  # the ids of an activity and a resource
_Kind = tuple[tuple[int, ...], int | None]  # the places of policies, and the person where an exception takes something


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """One activity on one resource, and the policy that gives it."""

    activity: Activity
    resource: Resource
    policy: AccessPolicy

    @property
    def key(self) -> Key:
        return self.activity.pk, self.resource.pk


@dataclasses.dataclass(frozen=True, slots=True)
class RightNow:
    """What one person may do. `obstacle` is the sentence that stands in the way now; empty if nothing does."""

    user: AbstractUser
    pair: Pair
    obstacle: str


class EverybodysRights:
    """What active policies give to whom, as it is when this is made."""

    def __init__(self, resources: Q | None = None, activities: Q | None = None) -> None:
        """Read what policies give; with conditions, of these resources and activities only."""
        self._now = timezone.now()
        chosen = Activity.objects.filter(activities or Q(), is_active=True)
        self._activities = {one.pk: one for one in chosen.order_by("name")}
        columns = ("name", "platform", "is_active", "connector")
        hosts = Resource.objects.filter(resources or Q(), is_active=True)
        self._resources = {one.pk: one for one in hosts.order_by("name").only(*columns)}
        policies = AccessPolicy.objects.filter(is_active=True).order_by("priority", "name", "pk")
        self._policies = list(policies.select_related("profile").prefetch_related("profile__tiers"))
        self._of_policy = {name: _named_by(name) for name in ("users", "groups", "activities", "resources")}
        self._members = _members(self._of_policy["groups"])
        self._policies_of = self._people()
        self._taken = _taken_away()
        self._pairs: OrderedDict[_Kind, Sequence[Pair]] = OrderedDict()
        self._counts: dict[_Kind, int] = {}

    def _people(self) -> dict[int, tuple[int, ...]]:
        """Return by user the places of their policies, those that are asked first at the beginning."""
        found: dict[int, list[int]] = defaultdict(list)
        for place, policy in enumerate(self._policies):
            by_group = (user for group in self._of_policy["groups"][policy.pk] for user in self._members[group])
            for user_id in {*self._of_policy["users"][policy.pk], *by_group}:
                found[user_id].append(place)
        return {user_id: tuple(places) for user_id, places in found.items()}

    @property
    def policies(self) -> Sequence[AccessPolicy]:
        """Return the active policies, with their connection profiles and tiers."""
        return self._policies

    def holders(self) -> frozenset[int]:
        """Return the ids of the accounts that a policy names."""
        return frozenset(self._policies_of)

    def pairs(self, user_id: int) -> Sequence[Pair]:
        """Return what policies give the person, by the names of activity and resource."""
        kind = self._kind(user_id)
        found = self._pairs.get(kind)
        if found is None:
            found = self._pairs[kind] = self._pairs_of(*kind)
            self._counts[kind] = len(found)
            if len(self._pairs) > MOST_KEPT:
                self._pairs.popitem(last=False)
        else:
            self._pairs.move_to_end(kind)
        return found

    def count(self, user_id: int) -> int:
        """Return how many pairs policies give the person."""
        kind = self._kind(user_id)
        return self._counts[kind] if kind in self._counts else len(self.pairs(user_id))

    def via(self, user_id: int, policy: AccessPolicy) -> Sequence[int | None]:
        """Return the ids of the groups by which the policy names the person; None stands for by their own name."""
        directly = [None] if user_id in self._of_policy["users"][policy.pk] else []
        return [*directly, *(one for one in self._of_policy["groups"][policy.pk] if user_id in self._members[one])]

    def _kind(self, user_id: int) -> _Kind:
        """Return what people must have in common to have the same pairs."""
        return self._policies_of.get(user_id, ()), user_id if user_id in self._taken else None

    def _pairs_of(self, places: tuple[int, ...], user_id: int | None) -> Sequence[Pair]:
        given = self._in_order([self._policies[place] for place in places], user_id)
        found = [pair for pair, counts in given if counts]
        return sorted(found, key=lambda pair: (pair.activity.name, pair.resource.name))

    def by_every_policy(self, user_id: int) -> Iterator[tuple[Pair, bool]]:
        """Yield what each policy gives the person, those that are asked first at the beginning.

        With each goes whether it counts for a request; else a policy with a lower priority number does.
        """
        return self._in_order(self.policies_of(user_id), user_id)

    def _in_order(self, policies: Sequence[AccessPolicy], user_id: int | None) -> Iterator[tuple[Pair, bool]]:
        taken = self._taken.get(user_id, {}) if user_id is not None else {}
        decided: set[Key] = set()
        for policy in policies:
            for pair in self.given_by(policy):
                key = pair.key
                if not taken.get(key, set()) & {policy.pk, None}:
                    yield pair, key not in decided
                    decided.add(key)

    def policies_of(self, user_id: int) -> Sequence[AccessPolicy]:
        """Return the policies that name the person, those that are asked first at the beginning."""
        return [self._policies[place] for place in self._policies_of.get(user_id, ())]

    def given_by(self, policy: AccessPolicy) -> Iterator[Pair]:
        """Yield each activity of a policy with each resource of its platform, whatever exceptions there are."""
        resources: dict[str, list[Resource]] = defaultdict(list)
        for pk in self._of_policy["resources"][policy.pk]:
            if (resource := self._resources.get(pk)) is not None:
                resources[resource.platform].append(resource)
        for pk in self._of_policy["activities"][policy.pk]:
            if (activity := self._activities.get(pk)) is not None:
                for resource in resources[activity.platform]:
                    yield Pair(activity, resource, policy)

    def rights(self, user: AbstractUser, pairs: Iterable[Pair]) -> Iterator[RightNow]:
        """Yield the rights of one person for some of their pairs(), each with what stands in the way now."""
        pairs = list(pairs)
        request_of: dict[int, Request] = {}
        obstacles = self._obstacles
        facts = obstacles.of(user, {pair.activity.pk: pair.activity for pair in pairs}.values())
        for pair in pairs:
            request = request_of.get(pair.activity.pk)
            if request is None:
                request = request_of[pair.activity.pk] = Request(user.pk, user, pair.activity)
            inputs = inputs_of(request, pair.activity, pair.resource, pair.policy, facts, self._now)
            yield RightNow(user, pair, obstacle_of(inputs, obstacles.of_role(user.pk)))

    @cached_property
    def _obstacles(self) -> _Obstacles:
        return _Obstacles(self._now, [tier for policy in self._policies for tier in policy.profile.tiers.all()])


class _Obstacles:
    """What can stand in the way of a request: locks, other sessions, approvers that are missing, roles."""

    def __init__(self, now: dt.datetime, tiers: Iterable[ApprovalTier]) -> None:
        self._account_locks = dict(AccountLock.objects.in_force().values_list("user_id", "title"))
        self._resource_locks = dict(ResourceLock.objects.in_force().values_list("resource_id", "title"))
        self._booked = BookedByEverybody(now)
        self._tiers = {tier.pk: tier for tier in tiers}
        self._approvers = approvers_by_tier(list(self._tiers.values()))
        self._applications = frozenset(Application.objects.values_list("principal_id", flat=True))
        self._auditors = frozenset(auditors_only().filter(is_active=True).values_list("pk", flat=True))

    def of_role(self, user_id: int) -> str:
        """Return why the role of a person lets them request nothing; empty if it does not stand in the way."""
        is_refused = user_id in self._auditors and user_id not in self._applications
        return AUDITORS_CHANGE_NOTHING if is_refused else ""

    def of(self, user: AbstractUser, activities: Iterable[Activity]) -> Facts:
        short = {
            key: shortage(tier, len(self._approvers[key]) - (user.pk in self._approvers[key]))
            for key, tier in self._tiers.items()
        }
        return Facts(
            account_lock=self._account_locks.get(user.pk, ""),
            locks=self._resource_locks,
            booked=self._booked.of(user, activities),
            short=short,
            taken_away={},  # for pairs that no policy gives any more
            is_application=user.pk in self._applications,
        )


def _named_by(field: str) -> dict[int, list[int]]:
    """Return by policy the ids of what it names in a field."""
    through: Any = getattr(AccessPolicy, field).through._default_manager
    column = AccessPolicy._meta.get_field(field).m2m_reverse_name()  # type: ignore[union-attr]  # of many-to-many
    found: dict[int, list[int]] = defaultdict(list)
    for policy_id, key in through.values_list("accesspolicy_id", column):
        found[policy_id].append(key)
    return found


def _members(groups: dict[int, list[int]]) -> dict[int, set[int]]:
    """Return the ids of the people of each group that a policy names."""
    named = {group for found in groups.values() for group in found}
    members: dict[int, set[int]] = defaultdict(set)
    through = get_user_model().groups.through._default_manager
    for group_id, user_id in through.values_list("group_id", "user_id"):
        if group_id in named:
            members[group_id].add(user_id)
    return members


def _taken_away() -> dict[int, dict[Key, set[int | None]]]:
    """Return by user and pair the policies that exceptions take it away from; None stands for every policy."""
    found: dict[int, dict[Key, set[int | None]]] = defaultdict(lambda: defaultdict(set))
    exceptions = AccessException.objects.in_force().values_list("user_id", "activity_id", "resource_id", "policy_id")
    for user_id, activity_id, resource_id, policy_id in exceptions:
        found[user_id][activity_id, resource_id].add(policy_id)
    return found
