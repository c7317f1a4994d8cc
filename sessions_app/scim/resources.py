"""Which users and groups SCIM sees, and how they are written as SCIM resources."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import Group as AuthGroup
from django.db.models import Prefetch, Q, QuerySet
from scim2_models import Context, Meta, Reference, Resource

from sessions_app.roles import ADMINISTER, ADMINISTRATORS, AUDIT, AUDITORS
from sessions_app.scim.models import ScimAccount, ScimGroup
from sessions_app.scim.schemas import Email, Group, Member, Name, User, UserGroup

Made = TypeVar("Made", User, Group)
Address = Callable[[str], str]  # makes an absolute address of one that is relative to /scim/v2/
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
ROLE_CODENAMES = [permission.partition(".")[2] for permission in (ADMINISTER, AUDIT)]


def role_groups() -> QuerySet[AuthGroup]:
    """Return the groups that make their members administrators or auditors."""
    by_name = Q(name__in=(ADMINISTRATORS, AUDITORS))
    return AuthGroup.objects.filter(by_name | Q(permissions__codename__in=ROLE_CODENAMES)).distinct()


def visible_groups() -> QuerySet[AuthGroup]:
    """Return the groups that SCIM sees: those that are roles only where SCIM_ROLE_GROUPS names them."""
    hidden = role_groups().exclude(name__in=settings.SCIM_ROLE_GROUPS)
    groups = AuthGroup.objects.exclude(pk__in=hidden.order_by().values("pk")).exclude(scim_group__is_removed=True)
    return groups.select_related("scim_group").order_by("pk")


def visible_accounts() -> QuerySet[Any]:
    """Return the accounts that SCIM sees: people, without those that it removed and that are disabled still."""
    people: QuerySet[Any] = get_user_model()._default_manager.filter(application=None)
    removed = Q(is_active=False, scim_account__is_removed=True)
    return people.exclude(pk__in=people.filter(removed).order_by().values("pk")).order_by("pk")


def with_details(accounts: QuerySet[Any]) -> QuerySet[Any]:
    """Return the accounts with what user_resource() reads, which costs one query more for all of them."""
    groups = Prefetch("groups", queryset=visible_groups().select_related(None).order_by("pk"), to_attr="scim_groups")
    return accounts.select_related("scim_account").prefetch_related(groups)


def with_members(groups: QuerySet[AuthGroup]) -> QuerySet[AuthGroup]:
    """Return the groups with the members that group_resource() reads, which costs one query more for all of them."""
    members = visible_accounts().only("pk")
    return groups.prefetch_related(Prefetch("user_set", queryset=members, to_attr="scim_members"))


def user_id(pk: int) -> str:
    """Return the id of a user. No user has the id of a group, as RFC 7643 (3.1) asks."""
    return f"user-{pk}"


def group_id(pk: int) -> str:
    return f"group-{pk}"


def storable_text(text: str) -> str:
    """Return the text with U+FFFD for what no database stores: NUL, and halves of characters (lone surrogates)."""
    return UNSTORABLE.sub("\ufffd", text)


def pk_of(scim_id: str, kind: str) -> int | None:
    """Return the primary key in the id of a resource of this kind, "user" or "group"; None for what is no such id."""
    name, _, number = scim_id.partition("-")
    is_number = number.isascii() and number.isdigit() and len(number) <= 18
    return int(number) if name == kind and is_number else None


def user_resource(account: Any, address: Address) -> User:
    """Return an account of with_details() as a SCIM resource."""
    said = getattr(account, "scim_account", None) or ScimAccount(user=account)
    emails = [Email.model_validate(each) for each in said.emails]
    if account.email != main_email(emails):  # an administrator changed it, or nobody has written it by SCIM
        emails = [Email(value=account.email, primary=True)] if account.email else []
    name = Name(given_name=account.first_name or None, family_name=account.last_name or None)
    groups = [
        UserGroup(value=group_id(group.pk), ref=Reference(address(f"Groups/{group_id(group.pk)}")), display=group.name)
        for group in account.scim_groups
    ]
    resource = User(
        id=user_id(account.pk),
        external_id=said.external_id or None,
        user_name=account.username,
        name=name if account.first_name or account.last_name else None,
        display_name=said.display_name or None,
        active=account.is_active,
        emails=emails or None,
        groups=groups or None,
    )
    return _with_meta(resource, "User", address(f"Users/{resource.id}"), created=account.date_joined)


def group_resource(group: AuthGroup, address: Address) -> Group:
    """Return a group as a SCIM resource: with its members if it comes from with_members()."""
    said = getattr(group, "scim_group", None) or ScimGroup(group=group)
    members = [
        Member(value=user_id(one.pk), ref=Reference(address(f"Users/{user_id(one.pk)}")), type="User")
        for one in getattr(group, "scim_members", ())
    ]
    resource = Group(
        id=group_id(group.pk),
        external_id=said.external_id or None,
        display_name=group.name,
        members=members or None,
    )
    return _with_meta(resource, "Group", address(f"Groups/{resource.id}"))


def main_email(emails: list[Email]) -> str:
    """Return the address that the account gets: the primary one, else that of work, else the first."""
    known = [each for each in emails if each.value]
    first = next((each for each in known if each.primary), None)
    first = first or next((each for each in known if (each.type or "").lower() == "work"), None)
    return str((first or known[0]).value) if known else ""


def _with_meta(resource: Made, kind: str, location: str, **times: Any) -> Made:
    """Give the resource its metadata. The version is a hash of all that is told of it."""
    content = json.dumps(resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE), sort_keys=True)
    version = f'W/"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'
    resource.meta = Meta(resource_type=kind, location=location, version=version, **times)
    return resource


def version_of(resource: Resource[Any]) -> str:
    """Return the entity tag of a resource, which is weak."""
    return str(resource.meta.version) if resource.meta else ""


def person(account: Any) -> AbstractUser:
    """Return the account with the type that flows take."""
    assert isinstance(account, AbstractUser)  # noqa: S101 - for the type checker
    return account
