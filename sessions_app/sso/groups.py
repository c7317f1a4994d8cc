"""Which of our groups a person gets by the groups that the provider names. Two groups carry the roles: roles.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth.models import AbstractUser, Group

from sessions_app.sso.providers import EVERYBODY, Provider


def groups_by_claim(provider: Provider, claims: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the names of our groups that the claims give.

    Return None where the provider decides about no group: no mapping is set, or the claim is not there.
    """
    value = _claim(claims, provider.groups_claim) if provider.groups else None
    if value is None:
        return None
    theirs = {EVERYBODY, *_names(value, provider.groups_key)}
    return frozenset(ours for name in theirs for ours in provider.groups.get(name, ()))


def managed_groups(provider: Provider) -> frozenset[str]:
    """Return the names of all groups of ours that the mapping gives and takes."""
    return frozenset(name for ours in provider.groups.values() for name in ours)


def set_groups(user: AbstractUser, provider: Provider, wanted: frozenset[str]) -> None:
    """Give and take the groups of the mapping, and leave all others alone. audit_trail.py logs each change."""
    current = set(user.groups.values_list("name", flat=True))
    gained, lost = wanted - current, (current & managed_groups(provider)) - wanted
    if gained:
        user.groups.add(*Group.objects.filter(name__in=gained))
    if lost:
        user.groups.remove(*Group.objects.filter(name__in=lost))


def has_role(user: AbstractUser, provider: Provider) -> bool:
    """Return whether a person whose groups the provider decides about may log in.

    That is everybody who is in some group here, and everybody at all where the mapping says so.
    """
    return EVERYBODY in provider.groups or user.is_superuser or user.groups.exists()


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim; `realm_access.roles` also finds `roles` in the object `realm_access`."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _names(value: Any, key: str) -> Iterator[str]:
    """Yield the names in a text, a list of texts, or a list of objects that have each name under `key`."""
    for one in value if isinstance(value, list) else [value]:
        name = one.get(key) if isinstance(one, Mapping) else one
        if isinstance(name, str):
            yield name
