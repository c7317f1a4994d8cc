"""Collects what the policy needs to know about a request. The number of queries does not depend on the resources."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser
from django.db.models import Prefetch
from django.utils import timezone

from sessions_app.catalogue.exception_models import AccessException, exceptions_of
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.people.models import AccountLock, Application
from sessions_app.privileged.booking import first_overlap
from sessions_app.privileged.flows.approvers import shortages
from sessions_app.privileged.flows.bookings import Booked, Pair, booked_by_others
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
    speaks_to_user: bool = False  # whether the reasons are for the user, who is called "you" then


def policies_for(user: AbstractUser, activity: Activity, resources: Sequence[Resource]) -> dict[int, AccessPolicy]:
    """Return the policy that applies to each resource, by resource id, with a constant number of queries."""
    best = best_policies(user, [(activity, resource) for resource in resources])
    return {resource: policy for (_, resource), policy in best.items()}


def best_policies(user: AbstractUser, pairs: Sequence[tuple[Activity, Resource]]) -> dict[Pair, AccessPolicy]:
    """Return the policy that applies to each activity on each resource, with six queries.

    It is active, names the user, has the lowest priority number, and no exception takes it away.
    """
    return _best(user, pairs, exceptions_of(user.pk, [(activity.pk, resource.pk) for activity, resource in pairs]))


def _best(
    user: AbstractUser, pairs: Sequence[tuple[Activity, Resource]], exceptions: dict[Pair, list[AccessException]]
) -> dict[Pair, AccessPolicy]:
    asked = {(activity.pk, resource.pk) for activity, resource in pairs}
    taken = {pair: {each.policy_id for each in found} for pair, found in exceptions.items()}
    activities = Activity.objects.filter(pk__in={activity for activity, _ in asked}).order_by().only("pk")
    resources = Resource.objects.filter(pk__in={resource for _, resource in asked}).order_by().only("pk")
    policies = (
        AccessPolicy.objects.for_user(user)
        .filter(pk__in=AccessPolicy.activities.through.objects.filter(activity__in=activities).values("accesspolicy"))
        .filter(pk__in=AccessPolicy.resources.through.objects.filter(resource__in=resources).values("accesspolicy"))
        .select_related("profile")
        .prefetch_related(
            Prefetch("activities", queryset=activities, to_attr="wanted_activities"),
            Prefetch("resources", queryset=resources, to_attr="wanted_resources"),
            "profile__tiers",
        )
    )
    best: dict[Pair, AccessPolicy] = {}
    for policy in policies:
        wanted: tuple[list[Activity], list[Resource]] = (policy.wanted_activities, policy.wanted_resources)  # type: ignore[attr-defined] # set by Prefetch
        for activity, resource in itertools.product(*wanted):
            pair = activity.pk, resource.pk
            if pair in asked and not taken.get(pair, set()) & {policy.pk, None}:
                best.setdefault(pair, policy)
    return best


def policy_inputs_of(request: Request, resources: Sequence[Resource]) -> list[tuple[PolicyInputs, AccessPolicy | None]]:
    """Return for each resource, in order, the inputs of the decision and the policy that allows it."""
    return policy_inputs_of_pairs(request, [(request.activity, resource) for resource in resources])


def policy_inputs_of_pairs(
    request: Request, pairs: Sequence[tuple[Activity, Resource]]
) -> list[tuple[PolicyInputs, AccessPolicy | None]]:
    """Return the same for several activities at once, as if each had been asked for by `request`."""
    user, now = request.user, timezone.now()
    exceptions = exceptions_of(user.pk, [(activity.pk, resource.pk) for activity, resource in pairs])
    best = _best(user, pairs, exceptions)
    resources = {resource.pk for _, resource in pairs}
    tiers = {tier.pk: tier for policy in best.values() for tier in policy.profile.tiers.all()}
    facts = Facts(
        account_lock=AccountLock.objects.in_force().filter(user_id=user.pk).values_list("title", flat=True).first()
        or "",
        locks=dict(ResourceLock.objects.in_force().filter(resource__in=resources).values_list("resource_id", "title")),
        booked=booked_by_others(user, pairs, now),
        short=shortages(list(tiers.values()), not_ids=(user.pk, request.actor_id)),
        is_application=any(policy.profile.confirms for policy in best.values())
        and Application.objects.filter(principal=user.pk).exists(),
        taken_away={pair: found[0].sentence for pair, found in exceptions.items()},
    )
    return [
        (inputs_of(request, activity, resource, policy, facts, request.start_at or now), policy)
        for activity, resource in pairs
        for policy in [best.get((activity.pk, resource.pk))]
    ]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the database says about a user and some resources, read once for all of them."""

    account_lock: str  # the title; empty if the account is not locked
    locks: dict[int, str]  # the titles of locks, by resource
    booked: Booked
    short: dict[int, str]  # why a tier cannot be fulfilled, by tier; empty if it can
    taken_away: dict[Pair, str]  # the sentence of an exception
    is_application: bool  # looked for only where a profile asks for a second factor


def inputs_of(
    request: Request,
    activity: Activity,
    resource: Resource,
    policy: AccessPolicy | None,
    facts: Facts,
    start: dt.datetime,
) -> PolicyInputs:
    """Return the inputs of the decision about one activity on one resource, by what was read before."""
    profile = policy.profile if policy else None
    lasts = profile.maximum_duration if profile else dt.timedelta(0)
    account = activity.login_account(request.user.get_username(), 0)
    tiers = list(profile.tiers.all()) if profile else []
    return PolicyInputs(
        user_name=request.user.get_username(),
        activity=activity.name,
        activity_is_active=activity.is_active,
        activity_platform=activity.platform,
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
        account_lock=facts.account_lock,
        resource_lock=facts.locks.get(resource.pk, ""),
        same_session=first_overlap(facts.booked.same.get((activity.pk, resource.pk), ()), start, lasts),
        login_account=account,
        account_session=first_overlap(facts.booked.on_account.get((activity.pk, resource.pk), ()), start, lasts),
        short_tier=next((facts.short[tier.pk] for tier in tiers if facts.short[tier.pk]), ""),
        needs_approval=bool(tiers),
        needs_person=facts.is_application and _asks_its_user(profile, tiers, request.start_at),
        speaks_to_user=request.speaks_to_user,
        taken_away=facts.taken_away.get((activity.pk, resource.pk), ""),
    )


def _asks_its_user(
    profile: ConnectionProfile | None, tiers: Sequence[ApprovalTier], start_at: dt.datetime | None
) -> bool:
    """Return whether a second factor is asked for that the requester cannot give for the user of the session."""
    if profile is None or not profile.confirms:
        return False
    return profile.confirm_at_connect or bool(tiers) or start_at is not None
