"""Shows what a request means on each resource: the policy, the duration, the approvers, and what is against it.

It is read for the steps Details and Review, with a number of queries that does not depend on the resources. The flow
decides again when the request is sent.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence

from activity.listing import span_of_time
from sessions_app.catalogue.lock_models import ResourceLock
from sessions_app.catalogue.models import AccessPolicy, Activity, Resource
from sessions_app.privileged import policy as rules
from sessions_app.privileged.flows.policy_inputs import Request, policy_inputs_of
from sessions_app.privileged.request_draft import Draft


@dataclasses.dataclass(frozen=True, slots=True)
class Conflict:
    """Another session that has the resource at the time of the request."""

    text: str
    session_id: int | None  # None if the person may not open its page


@dataclasses.dataclass(frozen=True, slots=True)
class PlanRow:
    """One resource of the plan."""

    resource: Resource
    policy: AccessPolicy | None  # None if it was deleted a moment ago
    lasts: str
    approval: str
    refused: str  # why the request would be refused with any notes and ticket; empty if it would not
    confirms_start: bool  # whether it begins at once and its profile asks for a second factor then
    conflict: Conflict | None


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """All resources of a draft, and what the details must contain."""

    rows: tuple[PlanRow, ...]
    notes_for: str  # the connection profiles that require notes; empty if none does
    ticket_number_for: str

    @property
    def in_the_way(self) -> list[int]:
        """Return the numbers of the sessions that are in the way, for links to their pages."""
        found = [row.conflict.session_id for row in self.rows if row.refused and row.conflict is not None]
        return list(dict.fromkeys(number for number in found if number is not None))

    @property
    def confirms_start(self) -> bool:
        """Return whether whoever requests this has to give a second factor first."""
        return any(row.confirms_start for row in self.rows)

    @property
    def refusals(self) -> list[str]:
        """Return every different reason against it. One is enough, because all sessions are made or none."""
        return list(dict.fromkeys(row.refused for row in self.rows if row.refused))


def make_plan(draft: Draft, actor_id: int, start_at: dt.datetime | None) -> Plan:
    """Return the plan of a draft that has an activity and resources, as `actor_id` would request it for that start."""
    assert draft.activity is not None  # noqa: S101 - the wizard asks for the activity first
    asked = policy_inputs_of(_request(draft, draft.activity, actor_id, start_at), draft.resources)
    rows = tuple(
        _row(resource, policy, inputs, draft.user.pk)
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


def conflicts(
    draft: Draft, resources: Sequence[Resource], actor_id: int, start_at: dt.datetime | None
) -> dict[int, Conflict]:
    """Return by resource id which session would be in the way of one that begins then, for the step Resources."""
    assert draft.activity is not None  # noqa: S101 - the wizard asks for the activity first
    asked = policy_inputs_of(_request(draft, draft.activity, actor_id, start_at), resources)
    found = {
        resource.pk: _conflict(inputs, draft.user.pk) for resource, (inputs, _) in zip(resources, asked, strict=True)
    }
    return {pk: conflict for pk, conflict in found.items() if conflict is not None}


def _request(draft: Draft, activity: Activity, actor_id: int, start_at: dt.datetime | None) -> Request:
    return Request(actor_id, draft.user, activity, start_at=start_at, speaks_to_user=draft.user.pk == actor_id)


def _conflict(inputs: rules.PolicyInputs, user_id: int) -> Conflict | None:
    if (same := inputs.same_session) is not None:
        return Conflict(
            rules.already_has(inputs.user_name, same, speaks_to_user=inputs.speaks_to_user) + ".", same.session_id
        )
    if (other := inputs.account_session) is not None and rules.why_account_taken(inputs):
        text = f"The account {inputs.login_account} is open for another session ({other.says})."
        return Conflict(text, other.session_id if other.user_id == user_id else None)
    return None


def _row(resource: Resource, policy: AccessPolicy | None, inputs: rules.PolicyInputs, user_id: int) -> PlanRow:
    refused = rules.why_request_refused(inputs) or rules.why_account_taken(inputs)
    conflict = _conflict(inputs, user_id)
    if policy is None:
        return PlanRow(resource, None, "", "", refused, confirms_start=False, conflict=conflict)
    tiers = sorted(policy.profile.tiers.all(), key=lambda tier: tier.order)
    approval = ", then ".join(f"{tier.required} approver{'s' if tier.required > 1 else ''}" for tier in tiers)
    return PlanRow(
        resource,
        policy,
        span_of_time(policy.profile.maximum_duration),
        approval or "not needed",
        refused,
        confirms_start=policy.profile.confirm_at_start and not tiers and inputs.start_at is None,
        conflict=conflict,
    )
