"""Who may do what: every right that active access policies give, by whom it comes, and when it was last used.

A right is one activity on one resource for one person by one policy. What an exception took away is no right. Which
policy gives what is read by everybody.py. The number of queries does not depend on how many there are.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Max, Q, QuerySet

from sessions_app.privileged.everybody import EverybodysRights, Pair
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
    pair: Pair
    is_direct: bool  # whether the policy names the person
    groups: tuple[tuple[int, str], ...]  # ids and names
    decides: bool  # whether this policy counts for a request; else one with a lower priority number does
    last_used_at: dt.datetime | None  # the start of the last session, by whichever policy

    @property
    def triple(self) -> Triple:
        return self.user_id, *self.pair.key

    @property
    def via(self) -> str:
        """Return by what the policy names the person, such as “directly, Night shift”."""
        return ", ".join([DIRECTLY] * self.is_direct + [name for _, name in self.groups])


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
    everybody = EverybodysRights(resources, activities)
    people: QuerySet[Any] = get_user_model()._default_manager.filter(users).order_by()
    holders = everybody.holders()
    names = {pk: name for pk, name in people.values_list("pk", "username") if pk in holders}
    if most is not None and (count := _count(everybody, names, policies)) > most:
        raise TooManyRights(count)
    last_used, group_names = _last_used(people.values("pk")), dict(Group.objects.values_list("pk", "name"))
    found: list[Right] = []
    for pk, name in names.items():
        via = {policy.pk: everybody.via(pk, policy) for policy in everybody.policies_of(pk)}
        for pair, counts in everybody.by_every_policy(pk):
            if policies is None or pair.policy.pk in policies:
                by = via[pair.policy.pk]
                groups = sorted(
                    ((key, group_names.get(key, "")) for key in by if key is not None), key=lambda one: one[1]
                )
                used = last_used.get((pk, *pair.key))
                found.append(Right(pk, name, pair, None in by, tuple(groups), counts, used))
    # A stable sort: priority stays the last key.
    found.sort(key=lambda one: (one.user, one.pair.resource.name, one.pair.activity.name))
    return found


def _count(everybody: EverybodysRights, people: Iterable[int], policies: frozenset[int] | None) -> int:
    """Return how many rights there are before exceptions."""
    size = {
        policy.pk: sum(1 for _ in everybody.given_by(policy)) if policies is None or policy.pk in policies else 0
        for policy in everybody.policies
    }
    return sum(size[policy.pk] for pk in people for policy in everybody.policies_of(pk))


def _last_used(people: QuerySet[Any]) -> dict[Triple, dt.datetime]:
    """Return when each person's last session for an activity on a resource began."""
    began = PrivilegedSession.objects.filter(user__in=people).exclude(start_at=None).order_by()
    rows = began.values("user", "activity", "resource").annotate(last=Max("start_at"))
    return {(row["user"], row["activity"], row["resource"]): row["last"] for row in rows}
