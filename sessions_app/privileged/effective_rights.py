"""Who may do what: every right that active access policies give, by whom it comes, and when it was last used.

A right is one activity on one resource for one person by one policy. What an exception took away is no right. The
number of queries does not depend on how many there are.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Max, Q, QuerySet

from sessions_app.catalogue.exception_models import AccessException
from sessions_app.catalogue.models import AccessPolicy, Activity, Resource
from sessions_app.privileged.models import PrivilegedSession

ACTIVE_ACCOUNTS = Q(is_active=True)
DIRECTLY = "directly"

Triple = tuple[int, int, int]  # the ids of a user, an activity and a resource


class TooManyRights(Exception):
    """There are more rights than were asked for at most. `count` is their number before exceptions."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


@dataclasses.dataclass(frozen=True, slots=True)
class Right:
    """What one access policy gives one person. `groups` are those by which the policy names the person."""

    user_id: int
    user: str
    activity_id: int
    activity: str
    resource_id: int
    resource: str
    policy_id: int
    policy: str
    is_direct: bool  # whether the policy names the person
    groups: tuple[tuple[int, str], ...]  # ids and names
    decides: bool  # whether this policy counts for a request; else one with a lower priority number does
    last_used_at: dt.datetime | None  # the start of the last session, by whichever policy

    @property
    def triple(self) -> Triple:
        return self.user_id, self.activity_id, self.resource_id

    @property
    def via(self) -> str:
        """Return by what the policy names the person, such as “directly, Night shift”."""
        return ", ".join([DIRECTLY] * self.is_direct + [name for _, name in self.groups])


@dataclasses.dataclass(slots=True)
class _Given:
    """What one policy names, within the scope that is asked for."""

    policy_id: int
    name: str
    people: dict[int, tuple[bool, list[tuple[int, str]]]] = dataclasses.field(default_factory=dict)
    activities: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)  # id, name, platform
    resources: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)

    @property
    def pairs(self) -> list[tuple[int, str, int, str]]:
        """Return each activity with each resource of its platform, as ids and names."""
        return [
            (activity, activity_name, resource, resource_name)
            for activity, activity_name, made_for in self.activities
            for resource, resource_name, platform in self.resources
            if made_for == platform
        ]


def effective_rights(
    *,
    users: Q = ACTIVE_ACCOUNTS,
    resources: Q | None = None,
    activities: Q | None = None,
    policies: frozenset[int] | None = None,
    most: int | None = None,
) -> list[Right]:
    """Return the rights of the selected users, in the order of the names of user, resource, activity and of priority.

    `users`, `resources` and `activities` are conditions on these models; None selects all that are active. `policies`
    are the ids of the only ones whose rights are returned. Raise TooManyRights if there are more than `most`.
    """
    people: QuerySet[Any] = get_user_model()._default_manager.filter(users).order_by()
    given = _given(people.values("pk"), resources or Q(), activities or Q(), policies)
    if most is not None and (count := sum(len(each.people) * len(each.pairs) for each in given)) > most:
        raise TooManyRights(count)
    names = dict(people.values_list("pk", "username"))
    found = list(_rights(given, names, _taken(people.values("pk")), _last_used(people.values("pk"))))
    if policies is not None:
        found = [each for each in found if each.policy_id in policies]
    found.sort(key=lambda one: (one.user, one.resource, one.activity))  # a stable sort: priority stays the last key
    return found


def _given(people: QuerySet[Any], resources: Q, activities: Q, policies: frozenset[int] | None) -> list[_Given]:
    """Return what each active policy gives, the lowest priority number first.

    With `policies`, the others are read too, because one of them may count instead; but only for the people, activities
    and resources that those name.
    """
    chosen = AccessPolicy.objects.filter(is_active=True).order_by("priority", "name", "pk")
    given = {pk: _Given(pk, name) for pk, name in chosen.values_list("pk", "name")}
    through = AccessPolicy.users.through._default_manager
    for policy, user in through.filter(accesspolicy__in=given, user__in=people).values_list("accesspolicy", "user"):
        given[policy].people[user] = (True, [])
    by_group = AccessPolicy.groups.through._default_manager.filter(accesspolicy__in=given, group__user__in=people)
    group_names = dict(Group.objects.values_list("pk", "name"))
    for policy, group, user in by_group.values_list("accesspolicy", "group", "group__user"):
        given[policy].people.setdefault(user, (False, []))[1].append((group, group_names[group]))
    of_activities = AccessPolicy.activities.through._default_manager.filter(
        accesspolicy__in=given, activity__in=Activity.objects.filter(activities, is_active=True).order_by()
    )
    for policy, pk, name, platform in of_activities.values_list(
        "accesspolicy", "activity", "activity__name", "activity__platform"
    ):
        given[policy].activities.append((pk, name, platform))
    of_resources = AccessPolicy.resources.through._default_manager.filter(
        accesspolicy__in=given, resource__in=Resource.objects.filter(resources, is_active=True).order_by()
    )
    for policy, pk, name, platform in of_resources.values_list(
        "accesspolicy", "resource", "resource__name", "resource__platform"
    ):
        given[policy].resources.append((pk, name, platform))
    found = list(given.values())
    if policies is not None:
        _narrow(found, [each for each in found if each.policy_id in policies])
    return found


def _narrow(given: list[_Given], chosen: list[_Given]) -> None:
    """Leave in all of `given` what one of the chosen policies names too."""
    people = {user for each in chosen for user in each.people}
    activities = {one for each in chosen for one in each.activities}
    resources = {one for each in chosen for one in each.resources}
    for each in given:
        each.people = {user: how for user, how in each.people.items() if user in people}
        each.activities = [one for one in each.activities if one in activities]
        each.resources = [one for one in each.resources if one in resources]


def _rights(
    given: list[_Given],
    names: dict[int, str],
    taken: dict[Triple, set[int | None]],
    last_used: dict[Triple, dt.datetime],
) -> Iterator[Right]:
    decided: set[Triple] = set()
    for each in given:
        pairs = each.pairs
        for user, (is_direct, groups) in each.people.items():
            if user not in names:
                continue  # it became inactive between two queries
            for activity, activity_name, resource, resource_name in pairs:
                triple = user, activity, resource
                if taken.get(triple, set()) & {each.policy_id, None}:
                    continue
                yield Right(
                    user_id=user,
                    user=names[user],
                    activity_id=activity,
                    activity=activity_name,
                    resource_id=resource,
                    resource=resource_name,
                    policy_id=each.policy_id,
                    policy=each.name,
                    is_direct=is_direct,
                    groups=tuple(sorted(groups, key=lambda group: group[1])),
                    decides=triple not in decided,
                    last_used_at=last_used.get(triple),
                )
                decided.add(triple)


def _taken(people: QuerySet[Any]) -> dict[Triple, set[int | None]]:
    """Return the policies that exceptions take each right away from; None stands for every policy."""
    taken: dict[Triple, set[int | None]] = defaultdict(set)
    rows = AccessException.objects.in_force().filter(user__in=people)
    for user, activity, resource, policy in rows.values_list("user", "activity", "resource", "policy"):
        taken[user, activity, resource].add(policy)
    return taken


def _last_used(people: QuerySet[Any]) -> dict[Triple, dt.datetime]:
    """Return when each person's last session for an activity on a resource began."""
    began = PrivilegedSession.objects.filter(user__in=people).exclude(start_at=None).order_by()
    rows = began.values("user", "activity", "resource").annotate(last=Max("start_at"))
    return {(row["user"], row["activity"], row["resource"]): row["last"] for row in rows}
