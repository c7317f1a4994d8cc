"""Make, change and remove a group as an identity provider says. Who its members are decides what they may do."""

from __future__ import annotations

import contextlib

from django.contrib.auth.models import Group as AuthGroup
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from scim2_models import InvalidValueException, UniquenessException

from activity.retries import retry_while_unavailable
from sessions_app.configuration.uses import uses_of
from sessions_app.errors import Forbidden
from sessions_app.scim import guard
from sessions_app.scim.models import ScimGroup
from sessions_app.scim.resources import pk_of, role_groups, visible_accounts
from sessions_app.scim.schemas import Group


@retry_while_unavailable
def create_group(resource: Group) -> AuthGroup:
    """Make a group with its members, and return it.

    A removed group that policies still name comes back. Raise UniquenessException if the name is taken.
    """
    with transaction.atomic():
        group = _group_named(resource.display_name)
        if group is not None and not ScimGroup.objects.filter(group=group, is_removed=True).exists():
            raise UniquenessException(detail=f"A group has the name {resource.display_name} already.")
        return _write(group or AuthGroup(), resource)


@retry_while_unavailable
def change_group(group: AuthGroup, resource: Group) -> AuthGroup:
    """Make the group what the resource says, and return it. To be called with the row of the group locked."""
    with transaction.atomic():
        other = _group_named(resource.display_name)
        if other is not None and other.pk != group.pk:
            raise UniquenessException(detail=f"Another group has the name {resource.display_name}.")
        return _write(group, resource)


@retry_while_unavailable
def remove_group(group: AuthGroup) -> None:
    """Delete the group, and with it what its members got by it.

    A group that policies or approvals name is emptied instead, and SCIM does not show it any more: without its name
    they would say something else than before. Raise Forbidden for the group of a role.
    """
    with transaction.atomic():
        if role_groups().filter(pk=group.pk).exists():
            raise Forbidden(f"The group {group.name} is a role and is never removed.")
        _set_members(group, set())
        if uses_of(group, (ScimGroup,)) or group.user_set.exists():
            ScimGroup.objects.update_or_create(group_id=group.pk, defaults={"is_removed": True})
        else:
            group.delete()


def _group_named(name: str | None) -> AuthGroup | None:
    groups = AuthGroup.objects.select_for_update(no_key=True)
    return groups.filter(name__folded_exact=(name or "").replace("\x00", "\ufffd")).order_by("pk").first()


def _write(group: AuthGroup, resource: Group) -> AuthGroup:
    name = resource.display_name or ""
    if group.pk is not None and group.name != name and role_groups().filter(pk=group.pk).exists():
        raise Forbidden(f"The group {group.name} is a role and keeps its name.")
    said = (ScimGroup.objects.filter(group=group.pk).first() if group.pk else None) or ScimGroup(group=group)
    said.external_id, said.is_removed = resource.external_id or "", False
    is_changed = group.pk is None or group.name != name
    group.name = name
    try:
        group.full_clean(validate_unique=False, validate_constraints=False)
        said.full_clean(exclude=["group"], validate_unique=False, validate_constraints=False)
        if is_changed:
            group.save()
        said.group = group
        said.save()
    except ValidationError as error:
        texts = " ".join(text for texts in error.message_dict.values() for text in texts)
        raise InvalidValueException(detail=f"displayName or externalId: {texts}") from error
    except IntegrityError as error:  # somebody else took the name at this moment
        raise UniquenessException(detail=f"Another group has the name {name}.") from error
    _set_members(group, _members(resource))
    return group


def _members(resource: Group) -> set[int]:
    """Return the primary keys of the members. Raise InvalidValueException for one that SCIM does not see."""
    wanted = {member.value or "": pk_of(member.value or "", "user") for member in resource.members or []}
    keys = {pk for pk in wanted.values() if pk is not None}
    known = set(visible_accounts().filter(pk__in=keys).values_list("pk", flat=True))
    unknown = sorted(value for value, pk in wanted.items() if pk not in known)
    if unknown:
        named = ", ".join(f"“{value[:60]}”" for value in unknown[:5])
        raise InvalidValueException(detail=f"members: no user has the id {named}. Groups are no members of groups.")
    return known


def _set_members(group: AuthGroup, wanted: set[int]) -> None:
    """Put users in and take them out. Members that SCIM does not see, such as applications, stay.

    Raise Forbidden if somebody out of reach would come or go, or if nobody would be an administrator any more.
    """
    current = set(visible_accounts().filter(groups=group).values_list("pk", flat=True))
    coming, going = wanted - current, current - wanted
    if coming or going:
        guard.require_reachable_members(coming | going)
    is_role = bool(going) and role_groups().filter(pk=group.pk).exists()
    with guard.keeping_an_administrator() if is_role else contextlib.nullcontext():
        group.user_set.add(*coming)
        group.user_set.remove(*going)
