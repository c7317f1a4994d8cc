"""Who may decide on an approval tier, and whether there are enough of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db.models import Q, QuerySet

from sessions_app.catalogue.models import ApprovalTier
from sessions_app.people.models import AccountLock
from sessions_app.privileged.models import PrivilegedSession
from sessions_app.roles import ADMINISTER, AUDIT


def approvers_of(tier: ApprovalTier, *, not_ids: tuple[int, ...]) -> list[AbstractUser]:
    """Return the people of the tier who can decide, without `not_ids`: active, not locked, and no auditors.

    `not_ids` are whom the request is for, and who made it.
    """
    named = Q(pk__in=tier.users.values("pk")) | Q(groups__in=tier.groups.values("pk"))
    return list(_able_to_decide(not_ids).filter(named).distinct().order_by("pk"))


def shortages(tiers: Sequence[ApprovalTier], *, not_ids: tuple[int, ...]) -> dict[int, str]:
    """Return the shortage() of each tier by its id, with a constant number of queries."""
    if not tiers:
        return {}
    able = _able_to_decide(not_ids).order_by().values("pk")
    keys = [tier.pk for tier in tiers]
    people: dict[int, set[int]] = {key: set() for key in keys}
    directly = ApprovalTier.users.through._default_manager.filter(approvaltier__in=keys, user__in=able)
    for tier_id, user_id in directly.values_list("approvaltier_id", "user_id"):
        people[tier_id].add(user_id)
    asked = list(
        ApprovalTier.groups.through._default_manager.filter(approvaltier__in=keys).values_list(
            "approvaltier_id", "group_id"
        )
    )
    members: dict[int, set[int]] = {group_id: set() for _, group_id in asked}
    through = get_user_model().groups.through._default_manager.filter(group__in=set(members), user__in=able)
    for group_id, user_id in through.values_list("group_id", "user_id"):
        members[group_id].add(user_id)
    for tier_id, group_id in asked:
        people[tier_id] |= members[group_id]
    return {tier.pk: shortage(tier, len(people[tier.pk])) for tier in tiers}


def approvers_by_tier(tiers: Sequence[ApprovalTier]) -> dict[int, dict[int, str]]:
    """Return by tier id the ids and names of the people who can decide on it, with two queries for all tiers."""
    able = _able_to_decide(()).order_by().values("pk")
    name = get_user_model().USERNAME_FIELD
    named = ApprovalTier.users.through._default_manager.filter(approvaltier__in=tiers, user__in=able)
    grouped = ApprovalTier.groups.through._default_manager.filter(approvaltier__in=tiers, group__user__in=able)
    found: dict[int, dict[int, str]] = {tier.pk: {} for tier in tiers}
    for rows, user in ((named, "user"), (grouped, "group__user")):
        for tier_id, pk, username in rows.values_list("approvaltier_id", f"{user}__pk", f"{user}__{name}"):
            found[tier_id][pk] = username
    return found


def _able_to_decide(not_ids: tuple[int, ...]) -> QuerySet[AbstractUser]:
    """Return everybody who could decide if a tier named them."""
    user_model = get_user_model()
    locked = AccountLock.objects.in_force().values("user_id")
    able = user_model.objects.filter(is_active=True).exclude(pk__in=not_ids)
    return able.exclude(pk__in=locked).exclude(pk__in=auditors_only().values("pk"))


def auditors_only() -> QuerySet[AbstractUser]:
    """Return the accounts that read everything and are no administrators, who change nothing."""
    auditors = get_user_model().objects.filter(_has(AUDIT))
    return auditors.exclude(Q(is_superuser=True) | Q(pk__in=_holders(ADMINISTER)))


def tier_being_asked(session: PrivilegedSession) -> ApprovalTier | None:
    """Return the tier that the session waits for; None if the profile does not have it any more."""
    return ApprovalTier.objects.filter(profile_id=session.profile_id, order=session.current_tier).first()


def shortage(tier: ApprovalTier, available: int) -> str:
    """Return as a sentence why `available` people are too few for the tier; an empty string if they are enough."""
    if available >= tier.required:
        return ""
    who = "nobody" if available == 0 else f"only {available}"
    return f"approval tier {tier.order} needs {tier.required}, and {who} could approve this request."


def approvals_that_count(session: PrivilegedSession, tier: ApprovalTier) -> set[int]:
    """Return the ids of the people who approved the tier and could still approve it now.

    People who were disabled, locked, made auditors or taken out of the tier do not count any more.
    """
    given = session.approvals.filter(tier=tier.order, is_approved=True).values_list("approver_id", flat=True)
    return set(given) & {user.pk for user in approvers_of(tier, not_ids=(session.user_id, session.requested_by_id))}


def missing_tier(session: PrivilegedSession) -> ApprovalTier | None:
    """Return the first tier, as the profile is now, that lacks approvals.

    Return None if the session has every approval that is required. A profile has at most three tiers.
    """
    tiers = ApprovalTier.objects.filter(profile_id=session.profile_id).order_by("order")
    return next((tier for tier in tiers if len(approvals_that_count(session, tier)) < tier.required), None)


def why_approval_cannot_be_had(session: PrivilegedSession) -> str:
    """Return as a sentence why the current tier cannot be fulfilled any more; an empty string if it can."""
    tier = tier_being_asked(session)
    if tier is None:
        return f"The connection profile no longer has approval tier {session.current_tier}."
    people = approvers_of(tier, not_ids=(session.user_id, session.requested_by_id))
    reason = shortage(tier, len(people))
    return f"Nobody is left to decide: {reason}" if reason else ""


def _has(permission: str) -> Q:
    app_label, codename = permission.split(".")
    through_group = Q(groups__permissions__codename=codename, groups__permissions__content_type__app_label=app_label)
    directly = Q(user_permissions__codename=codename, user_permissions__content_type__app_label=app_label)
    return through_group | directly


def _holders(permission: str) -> QuerySet[Any, Any]:
    return get_user_model().objects.filter(_has(permission)).values("pk")
