"""What a request would come to on each resource: which policy gives it, for how long, who must approve, and what stands
against it already. Read with a number of queries that does not grow with the resources, for the steps Details and
Review; the flow decides again when the request is sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from activity.listing import span_of_time
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Resource
from sessions_app.privileged import policy as rules
from sessions_app.privileged.flows.policy_inputs import Request, wanted_of
from sessions_app.privileged.request_draft import Draft


@dataclasses.dataclass(frozen=True, slots=True)
class PlanRow:
    """One resource as it would be requested."""

    resource: Resource
    policy: AccessPolicy | None  # none: it was taken away a moment ago
    lasts: str
    approval: str
    refused: str  # why the request would be refused whatever the details say; empty: it would not


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Every resource of a draft, and what the details must hold."""

    rows: tuple[PlanRow, ...]
    notes_for: str  # the connection profiles that require notes, empty: none
    ticket_for: str

    @property
    def refusals(self) -> list[str]:
        """Every different reason against it; one is enough, since all sessions are made or none."""
        return list(dict.fromkeys(row.refused for row in self.rows if row.refused))


def make_plan(draft: Draft, actor_id: int) -> Plan:
    """The plan of a draft that has an activity and resources, as `actor_id` would ask for it."""
    assert draft.activity is not None  # noqa: S101 - the wizard asks for the activity first
    asked = wanted_of(Request(actor_id, draft.user, draft.activity), draft.resources)
    rows = tuple(
        _row(resource, policy, rules.obstacle(wanted))
        for resource, (wanted, policy) in zip(draft.resources, asked, strict=True)
    )
    profiles = {row.policy.profile for row in rows if row.policy is not None}
    return Plan(
        rows,
        ", ".join(sorted(profile.name for profile in profiles if profile.notes_required)),
        ", ".join(sorted(profile.name for profile in profiles if profile.ticket_required)),
    )


def locked_resources(resources: Iterable[Resource]) -> dict[int, str]:
    """Resource -> title of its standing lock, for those that have one."""
    locks = ResourceLock.objects.in_force().filter(resource__in=[resource.pk for resource in resources])
    return dict(locks.values_list("resource_id", "title"))


def _row(resource: Resource, policy: AccessPolicy | None, refused: str) -> PlanRow:
    if policy is None:
        return PlanRow(resource, None, "", "", refused)
    tiers = sorted(policy.profile.tiers.all(), key=lambda tier: tier.order)
    approval = ", then ".join(f"{tier.required} approver{'s' if tier.required > 1 else ''}" for tier in tiers)
    return PlanRow(resource, policy, span_of_time(policy.profile.maximum_duration), approval or "not needed", refused)
