"""Collects what the policy needs to know about a request. The number of queries does not depend on the resources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser
from django.db.models import Prefetch

from sessions_app.catalogue.connectors import names_where
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, AccountKind, Activity, ApprovalTier, Resource
from sessions_app.people.models import AccountLock
from sessions_app.privileged.flows.approvers import approvers_of, shortage
from sessions_app.privileged.models import HOLDS_GRANT, PrivilegedSession, Status
from sessions_app.privileged.policy import PolicyInputs


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for, by whom and for whom."""

    actor_id: int
    user: AbstractUser
    activity: Activity
    notes: str = ""
    ticket_number: str = ""
    start_at: dt.datetime | None = None


def policies_for(user: AbstractUser, activity: Activity, resources: Sequence[Resource]) -> dict[int, AccessPolicy]:
    """Return the policy that applies to each resource, by resource id, with four queries.

    It is active, names the user, and has the lowest priority number.
    """
    wanted = Resource.objects.filter(pk__in=[resource.pk for resource in resources]).only("pk")
    policies = (
        AccessPolicy.objects.for_user(user)
        .filter(activities=activity)
        .select_related("profile")
        .prefetch_related(Prefetch("resources", queryset=wanted, to_attr="wanted"), "profile__tiers")
    )
    best: dict[int, AccessPolicy] = {}
    for policy in policies:
        for resource in policy.wanted:  # type: ignore[attr-defined] # set by the Prefetch above
            best.setdefault(resource.pk, policy)
    return best


def policy_inputs_of(request: Request, resources: Sequence[Resource]) -> list[tuple[PolicyInputs, AccessPolicy | None]]:
    """Return for each resource, in order, the inputs of the decision and the policy that allows it."""
    best = policies_for(request.user, request.activity, resources)
    account_lock = (
        AccountLock.objects.in_force().filter(user_id=request.user.pk).values_list("title", flat=True).first()
    )
    locks = dict(ResourceLock.objects.in_force().filter(resource__in=resources).values_list("resource_id", "title"))
    running = set(
        PrivilegedSession.objects.not_ended()
        .filter(user_id=request.user.pk, activity=request.activity, resource__in=resources)
        .values_list("resource_id", flat=True)
    )
    taken = _taken(request, resources)
    tiers = {tier.pk: tier for policy in best.values() for tier in policy.profile.tiers.all()}
    short = {pk: _short(tier, request) for pk, tier in tiers.items()}
    return [
        (
            _wanted(request, resource, best.get(resource.pk), account_lock or "", locks, running, taken, short),
            best.get(resource.pk),
        )
        for resource in resources
    ]


def _taken(request: Request, resources: Sequence[Resource]) -> dict[int, str]:
    """Return by resource id the login account that another session with rights on the host already uses.

    Activities that run commands are not checked, and an account with the session's number in its name is unique.
    """
    activity = request.activity
    if activity.kind == AccountKind.COMMANDS or "{session}" in activity.login_account_template:
        return {}
    account = activity.login_account(request.user.get_username(), 0)
    there = PrivilegedSession.objects.filter(
        resource__in=resources,
        resource__connector__in=names_where(lambda one: one.makes_accounts),
        login_account=account,
        status__in=[*HOLDS_GRANT, Status.PROVISIONING, Status.CANCELING],
    ).exclude(activity__kind=AccountKind.COMMANDS)
    return dict.fromkeys(there.values_list("resource_id", flat=True), account)


def _short(tier: ApprovalTier, request: Request) -> str:
    people = approvers_of(tier, not_ids=(request.user.pk, request.actor_id))
    return shortage(tier, len(people))


def _wanted(
    request: Request,
    resource: Resource,
    policy: AccessPolicy | None,
    account_lock: str,
    locks: dict[int, str],
    running: set[int],
    taken: dict[int, str],
    short: dict[int, str],
) -> PolicyInputs:
    profile = policy.profile if policy else None
    tiers = list(profile.tiers.all()) if profile else []
    return PolicyInputs(
        user_name=request.user.get_username(),
        activity=request.activity.name,
        activity_is_active=request.activity.is_active,
        activity_platform=request.activity.platform,
        resource=resource.name,
        resource_is_active=resource.is_active,
        resource_platform=resource.platform,
        policy=policy.name if policy else "",
        profile=profile.name if profile else "",
        notes_required=bool(profile and profile.notes_required),
        ticket_required=bool(profile and profile.ticket_required),
        notes=request.notes,
        ticket_number=request.ticket_number,
        start_at=request.start_at,
        account_is_active=request.user.is_active,
        account_lock=account_lock,
        resource_lock=locks.get(resource.pk, ""),
        is_running=resource.pk in running,
        taken_account=taken.get(resource.pk, ""),
        short_tier=next((short[tier.pk] for tier in tiers if short[tier.pk]), ""),
        needs_approval=bool(tiers),
    )
