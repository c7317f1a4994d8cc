"""Shows what a request means on each resource: the policy, the duration, the approvers, and what is against it.

It is read for the steps Details and Review, with a number of queries that does not depend on the resources. The flow
decides again when the request is sent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from activity.listing import span_of_time
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Resource
from sessions_app.privileged import policy as rules
from sessions_app.privileged.flows.policy_inputs import Request, policy_inputs_of
from sessions_app.privileged.request_draft import Draft


@dataclasses.dataclass(frozen=True, slots=True)
class PlanRow:
    """One resource of the plan."""

    resource: Resource
    policy: AccessPolicy | None  # None if it was deleted a moment ago
    lasts: str
    approval: str
    refused: str  # why the request would be refused with any details; empty if it would not


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """All resources of a draft, and what the details must contain."""

    rows: tuple[PlanRow, ...]
    notes_for: str  # the connection profiles that require notes; empty if none does
    ticket_number_for: str

    @property
    def refusals(self) -> list[str]:
        """Return every different reason against it. One is enough, because all sessions are made or none."""
        return list(dict.fromkeys(row.refused for row in self.rows if row.refused))


def make_plan(draft: Draft, actor_id: int) -> Plan:
    """Return the plan of a draft that has an activity and resources, as `actor_id` would request it."""
    assert draft.activity is not None  # noqa: S101 - the wizard asks for the activity first
    asked = policy_inputs_of(Request(actor_id, draft.user, draft.activity), draft.resources)
    rows = tuple(
        _row(resource, policy, rules.why_request_refused(inputs))
        for resource, (inputs, policy) in zip(draft.resources, asked, strict=True)
    )
    profiles = {row.policy.profile for row in rows if row.policy is not None}
    return Plan(
        rows,
        ", ".join(sorted(profile.name for profile in profiles if profile.notes_required)),
        ", ".join(sorted(profile.name for profile in profiles if profile.ticket_required)),
    )


def locked_resources(resources: Iterable[Resource]) -> dict[int, str]:
    """Return the title of the lock for each resource that has one in force, by resource id."""
    locks = ResourceLock.objects.in_force().filter(resource__in=[resource.pk for resource in resources])
    return dict(locks.values_list("resource_id", "title"))


def _row(resource: Resource, policy: AccessPolicy | None, refused: str) -> PlanRow:
    if policy is None:
        return PlanRow(resource, None, "", "", refused)
    tiers = sorted(policy.profile.tiers.all(), key=lambda tier: tier.order)
    approval = ", then ".join(f"{tier.required} approver{'s' if tier.required > 1 else ''}" for tier in tiers)
    return PlanRow(resource, policy, span_of_time(policy.profile.maximum_duration), approval or "not needed", refused)
