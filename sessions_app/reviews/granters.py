"""Reads from the log who granted a right: who added the person to the group, and who made the policy.

Who added the person, the group, the activity or the resource to the policy granted it too.

The log names groups and people by the names that they had. Earlier names are read from the log too. What was granted by
a command, by SCIM or before the log begins was granted by nobody who is known here.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import QuerySet

from activity.models import LogEntry, PastName
from activity.verbs import Verb
from sessions_app.catalogue.models import AccessPolicy, Activity, Resource
from sessions_app.privileged.effective_rights import Right

AT_ONCE = 500  # numbers in one query; SQLite takes a limited number of them


@dataclasses.dataclass(frozen=True, slots=True)
class Granter:
    """Somebody who had a part in granting a right, and which one, as the end of a sentence."""

    user_id: int
    name: str
    did: str


class Granters:
    """Knows who granted the rights of a snapshot. It costs a constant number of queries for each 500 people."""

    def __init__(self, rights: Collection[Right]) -> None:
        people = {right.user_id: right.user for right in rights}
        groups = {pk: name for right in rights for pk, name in right.groups}
        policies = {right.pair.policy.pk for right in rights}
        self._to_group = _last_added_to_groups(people, _names_of(groups, Group))
        self._to_policy: dict[tuple[int, str, str], Granter] = {}  # by policy, kind such as "users", and name
        self._makers: dict[int, Granter] = {}
        self._read_policies(policies)
        self._user_names = _user_names(people)
        self._group_names = _names_of(groups, Group)
        self._activity_names = _names_of(
            {right.pair.activity.pk: right.pair.activity.name for right in rights}, Activity
        )
        self._resource_names = _names_of(
            {right.pair.resource.pk: right.pair.resource.name for right in rights}, Resource
        )

    def of(self, right: Right) -> Iterator[Granter]:
        """Yield who granted the right, each part once."""
        for pk, name in right.groups:
            found = self._to_group.get((right.user_id, pk))
            if found is not None:
                yield found
            yield from self._added_to_policy(right, "groups", self._group_names.get(pk, {name}))
        if right.is_direct:
            yield from self._added_to_policy(right, "users", self._user_names.get(right.user_id, {right.user}))
        yield from self._added_to_policy(right, "activities", self._activity_names[right.pair.activity.pk])
        yield from self._added_to_policy(right, "resources", self._resource_names[right.pair.resource.pk])
        if (maker := self._makers.get(right.pair.policy.pk)) is not None:
            yield maker

    def _added_to_policy(self, right: Right, kind: str, names: Collection[str]) -> Iterator[Granter]:
        """Yield who added this to the policy of the right, under any of its names."""
        for name in names:
            if (by := self._to_policy.get((right.pair.policy.pk, kind, name))) is not None:
                yield by

    def _read_policies(self, policies: Collection[int]) -> None:
        """Note who made each policy, and who last added what to it."""
        for entry in _entries(policies, AccessPolicy, (Verb.RECORD_ADDED, Verb.RECORD_CHANGED)):
            if entry.target_id is None or entry.actor_id is None:
                continue
            if entry.verb == Verb.RECORD_ADDED:
                self._makers[entry.target_id] = Granter(
                    entry.actor_id, entry.actor_name, f"made the access policy {entry.target_name}"
                )
            for kind, names in _added(entry):
                for name in names:
                    did = f"added {name} to the access policy {entry.target_name}"
                    self._to_policy[entry.target_id, kind, name] = Granter(entry.actor_id, entry.actor_name, did)


def _last_added_to_groups(people: dict[int, str], groups: dict[int, set[str]]) -> dict[tuple[int, int], Granter]:
    """Return who last added each person to each of the groups."""
    if not groups:
        return {}
    by_name: dict[str, list[int]] = defaultdict(list)
    for pk, names in groups.items():
        for name in names:
            by_name[name].append(pk)
    found: dict[tuple[int, int], Granter] = {}
    for keys in _slices(people):
        entries = LogEntry.objects.filter(user__in=keys, verb=Verb.ROLE_CHANGED).exclude(actor=None)
        for entry in entries.order_by("pk").only("actor_id", "actor_name", "user_id", "details"):
            for _, added in _added(entry):
                for name in added:
                    for pk in by_name.get(name, ()):
                        if entry.user_id is not None and entry.actor_id is not None:
                            did = f"added {people[entry.user_id]} to the group {name}"
                            found[entry.user_id, pk] = Granter(entry.actor_id, entry.actor_name, did)
    return found


def _added(entry: LogEntry) -> Iterator[tuple[str, list[str]]]:
    """Yield what the entry says was added: the word for the kind, and names."""
    added = entry.details.get("added")
    if isinstance(added, dict):
        yield from ((str(kind), names) for kind, names in added.items() if isinstance(names, list))


def _names_of(things: dict[int, str], model: Any) -> dict[int, set[str]]:
    """Return every name that these objects have or had, by the entries that say how they were renamed."""
    names = {pk: {name} for pk, name in things.items()}
    for entry in _entries(things, model, (Verb.RECORD_CHANGED,)):
        changes = entry.details.get("changes")
        renamed = changes.get("name") if isinstance(changes, dict) else None
        if isinstance(renamed, dict) and entry.target_id is not None:
            names[entry.target_id].add(str(renamed.get("old")))
    return names


def _user_names(people: dict[int, str]) -> dict[int, set[str]]:
    names = {pk: {name} for pk, name in people.items()}
    for keys in _slices(people):
        for pk, name in PastName.objects.filter(user__in=keys).values_list("user_id", "name"):
            names[pk].add(name)
    return names


def _entries(keys: Iterable[int], model: Any, verbs: Collection[Verb]) -> Iterator[LogEntry]:
    """Yield the entries with these verbs about these objects, oldest first for each object."""
    label = model._meta.label_lower
    for some in _slices(keys):
        entries: QuerySet[LogEntry] = LogEntry.objects.filter(
            target_type=label, target_id__in=some, verb__in=verbs
        ).order_by("pk")
        yield from entries.only("actor_id", "actor_name", "verb", "target_id", "target_name", "details")


def _slices(keys: Iterable[int]) -> Iterator[list[int]]:
    ordered = sorted(keys)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]
