"""What a request would come to on each resource: which policy gives it, for how long, and who must approve. Read with
a constant number of queries, for the steps Details and Review; the flow decides again when the request is sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from activity.listing import span_of_time
from sessions_app.flows.facts import policies_for
from sessions_app.models import AccessPolicy, AccountLock, Resource, ResourceLock
from sessions_app.views.request_draft import Draft


@dataclasses.dataclass(frozen=True, slots=True)
class PlanRow:
    """One resource as it would be requested."""

    resource: Resource
    policy: AccessPolicy | None  # none: it was taken away a moment ago
    lasts: str
    approval: str
    lock: str  # the title of the lock that closes the resource, empty: none


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Every resource of a draft, and what the details must hold."""

    rows: tuple[PlanRow, ...]
    notes_for: str  # the connection profiles that require notes, empty: none
    ticket_for: str
    account_lock: str


def make_plan(draft: Draft) -> Plan:
    """The plan of a draft that has an activity and resources."""
    assert draft.activity is not None  # noqa: S101 - the wizard asks for the activity first
    policies = policies_for(draft.user, draft.activity, draft.resources)
    locks = locked_resources(draft.resources)
    rows = tuple(_row(resource, policies.get(resource.pk), locks.get(resource.pk, "")) for resource in draft.resources)
    profiles = {row.policy.profile for row in rows if row.policy is not None}
    standing = AccountLock.objects.standing().filter(user_id=draft.user.pk).first()
    return Plan(
        rows,
        ", ".join(sorted(profile.name for profile in profiles if profile.notes_required)),
        ", ".join(sorted(profile.name for profile in profiles if profile.ticket_required)),
        standing.title if standing is not None else "",
    )


def locked_resources(resources: Iterable[Resource]) -> dict[int, str]:
    """Resource -> title of its standing lock, for those that have one."""
    locks = ResourceLock.objects.standing().filter(resource__in=[resource.pk for resource in resources])
    return dict(locks.values_list("resource_id", "title"))


def _row(resource: Resource, policy: AccessPolicy | None, lock: str) -> PlanRow:
    if policy is None:
        return PlanRow(resource, None, "", "", lock)
    tiers = sorted(policy.profile.tiers.all(), key=lambda tier: tier.order)
    approval = ", then ".join(f"{tier.required} approver{'s' if tier.required > 1 else ''}" for tier in tiers)
    return PlanRow(resource, policy, span_of_time(policy.profile.maximum_duration), approval or "not needed", lock)
