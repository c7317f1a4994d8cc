"""Answers “May alice do Root shell on db-1?” without requesting anything.

The answer comes from the rules and the inputs of a real request. The number of queries does not depend on how many
policies, people or resources there are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db.models import Case, Exists, F, IntegerField, OuterRef, Prefetch, Q, QuerySet, Value, When
from django.utils import timezone

from activity.listing import span_of_time
from sessions_app.catalogue.exception_models import AccessException, exceptions_of
from sessions_app.catalogue.models import AccessPolicy, Activity, ApprovalTier, ConnectionProfile, Resource
from sessions_app.errors import Forbidden
from sessions_app.people.models import Application
from sessions_app.privileged import policy as rules
from sessions_app.privileged.flows.policy_inputs import Request, policy_inputs_of_pairs
from sessions_app.privileged.flows.request import require_may_ask
from sessions_app.privileged.models import Status
from sessions_app.privileged.policy import PolicyInputs

MOST_NEAREST = 5  # policies that are told of when none allows it
MOST_NAMES = 10  # approvers of a tier
PAIR, PAIR_NAMES = ("policies__activities", "pk"), ("policies__activities__name", "name")  # of activity and resource
FILLED_IN = "–"  # stands for notes and a ticket that the person will enter


@dataclasses.dataclass(frozen=True, slots=True)
class Nearest:
    """A policy that does not allow it, and what it lacks as the end of a sentence."""

    policy: AccessPolicy
    lacks: str


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Whether `user` may do `activity` on `resource`, and why.

    `obstacle` is the sentence that stands in the way; empty if nothing does. `conditions` says what the person must
    enter or wait for. `approval` has one line for each tier. `nearest` is filled if no policy allows it.
    """

    user: AbstractUser
    activity: Activity
    resource: Resource
    policy: AccessPolicy | None
    obstacle: str
    conditions: tuple[str, ...] = ()
    approval: tuple[str, ...] = ()
    nearest: tuple[Nearest, ...] = ()
    unnamed: tuple[str, ...] = ()  # sentences about what no active policy names at all

    @property
    def is_allowed(self) -> bool:
        return not self.obstacle

    @property
    def profile(self) -> ConnectionProfile | None:
        """Return the connection profile of the policy that allows it, or None."""
        return self.policy.profile if self.policy else None

    @property
    def lasts(self) -> str:
        """Return how long a session lasts at most, in words; an empty string if no policy allows it."""
        return span_of_time(self.policy.profile.maximum_duration) if self.policy else ""

    @property
    def sentence(self) -> str:
        """Return the answer as one sentence."""
        asked = f"{self.user.get_username()} may {{}}do {self.activity.name} on {self.resource.name}"
        if self.obstacle:
            return f"No, {asked.format('not ')}. {self.obstacle}"
        return f"Yes, {asked.format('')}, by the access policy {self.policy} under the profile {self.profile}."

    @property
    def without_policies(self) -> Answer:
        """Return the answer for who does not see access policies: without those that come nearest."""
        return dataclasses.replace(self, nearest=(), unnamed=())

    @property
    def lines(self) -> list[str]:
        """Return all that else there is to say, one sentence each."""
        return [*self.facts, *(f"The access policy {near.policy} {near.lacks}." for near in self.nearest)]

    @property
    def facts(self) -> list[str]:
        """Return what there is to say besides the policies that come nearest."""
        lines = [f"It lasts at most {self.lasts}."] if self.policy else []
        if self.policy and not self.approval:
            lines.append("No approval is needed.")
        lines += [f"Approval {number}: {tier}." for number, tier in enumerate(self.approval, start=1)]
        lines += self.conditions
        if self.profile is not None and self.profile.confirms:
            lines.append(f"A fresh second factor is asked for {self.profile.confirms}.")
        return [*lines, *self.unnamed]


def may(user: AbstractUser, activity: Activity, resource: Resource) -> Answer:
    """Return whether the user may do the activity on the resource now, and which policy or obstacle decides it."""
    [answer] = may_each(user, [(activity, resource)])
    if answer.policy is not None or not answer.obstacle:
        return answer
    nearest, unnamed = _nearest(user, activity, resource)
    return dataclasses.replace(answer, nearest=nearest, unnamed=unnamed)


def may_each(user: AbstractUser, pairs: Sequence[tuple[Activity, Resource]]) -> list[Answer]:
    """Return the answer for each activity and resource, in order, with a constant number of queries.

    The policies that come nearest are left out; may() has them.
    """
    of_role = _role_refusal(user)
    asked = policy_inputs_of_pairs(Request(user.pk, user, pairs[0][0]), pairs) if pairs else []
    names = names_of_tiers({policy.profile_id for _, policy in asked if policy is not None})
    return [
        Answer(
            user=user,
            activity=activity,
            resource=resource,
            policy=policy,
            obstacle=obstacle_of(inputs, of_role),
            conditions=_conditions(inputs),
            approval=names.get(policy.profile_id, ()) if policy else (),
        )
        for (activity, resource), (inputs, policy) in zip(pairs, asked, strict=True)
    ]


def pairs_of_policies(user: AbstractUser, *conditions: Q) -> QuerySet[Resource, Any]:
    """Return each activity and resource that active policies give the user, as dictionaries with two ids.

    The keys are those of PAIR, in the order of the names. Pairs of different platforms, and what is inactive, are left
    out as in the request wizard. The conditions are on the fields of PAIR_NAMES. Pass the rows to pairs_of() for the
    objects.
    """
    policies = AccessPolicy.objects.for_user(user).order_by().values("pk")
    # One call of filter(): with several, each condition could be met by another policy.
    given: QuerySet[Resource, Any] = (
        Resource.objects.filter(
            *conditions,
            is_active=True,
            policies__in=policies,
            policies__activities__is_active=True,
            policies__activities__platform=F("platform"),
        )
        .values(*PAIR, *PAIR_NAMES)
        .order_by(*PAIR_NAMES)
        .distinct()
    )
    return given


def pairs_of(rows: Sequence[dict[str, Any]]) -> list[tuple[Activity, Resource]]:
    """Return the objects of rows of pairs_of_policies(), in their order. Rows that were deleted since are left out."""
    activities = Activity.objects.in_bulk({row[PAIR[0]] for row in rows})
    resources = Resource.objects.in_bulk({row[PAIR[1]] for row in rows})
    return [
        (activities[row[PAIR[0]]], resources[row[PAIR[1]]])
        for row in rows
        if row[PAIR[0]] in activities and row[PAIR[1]] in resources
    ]


def _role_refusal(user: AbstractUser) -> str:
    """Return why the role of this person requests no sessions; an empty string if it does.

    Administrators request the sessions of an application, so its own role does not matter.
    """
    if Application.objects.filter(principal_id=user.pk).exists():
        return ""
    try:
        require_may_ask(user, user)
    except Forbidden as refused:
        return refused.message
    return ""


def obstacle_of(inputs: PolicyInputs, of_role: str) -> str:
    """Return why a request would be refused, by the role or by the rules; an empty string if nothing is against it."""
    return of_role or rules.why_request_refused(inputs)


def _conditions(inputs: PolicyInputs) -> tuple[str, ...]:
    """Return what the person must enter, and what has to be waited for; nothing if the request would be refused."""
    if rules.why_request_refused(inputs):
        return ()
    found = [
        f"{what} required."
        for what, is_required in (
            ("Notes are", inputs.notes_required),
            ("A ticket number is", inputs.ticket_required),
        )
        if is_required
    ]
    filled_in = dataclasses.replace(inputs, notes=FILLED_IN, ticket_number=FILLED_IN)
    decision = rules.decide(filled_in, now=timezone.now())
    if decision.status == Status.WAITING:
        found.append("The session begins when the approval is given.")
    elif decision.status is None:
        found.append(decision.reason)
    return tuple(found)


def names_of_tiers(profiles: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Return for each connection profile who approves, one line for each tier, with three queries."""
    users = get_user_model()._default_manager.order_by("username").only("username")
    tiers = (
        ApprovalTier.objects.filter(profile__in=profiles)
        .order_by("profile", "order")
        .prefetch_related(Prefetch("users", users), "groups")
    )
    names: dict[int, tuple[str, ...]] = {}
    for tier in tiers:
        groups = sorted(f"the group {group.name}" for group in tier.groups.all())
        people = [user.get_username() for user in tier.users.all()]
        line = f"{tier.required} of {_listed([*groups, *people])}"
        names[tier.profile_id] = (*names.get(tier.profile_id, ()), line)
    return names


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "") or "nobody"


def _nearest(user: AbstractUser, activity: Activity, resource: Resource) -> tuple[tuple[Nearest, ...], tuple[str, ...]]:
    """Return the policies that lack the least to allow it, and what no active policy names at all."""
    policy_id = OuterRef("pk")
    directly = AccessPolicy.users.through._default_manager.filter(accesspolicy=policy_id, user=user.pk)
    by_group = AccessPolicy.groups.through._default_manager.filter(accesspolicy=policy_id, group__user=user.pk)
    parts = (
        ("names_user", Exists(directly) | Exists(by_group), f"{user.get_username()} or a group of theirs"),
        (
            "names_activity",
            Exists(AccessPolicy.activities.through._default_manager.filter(accesspolicy=policy_id, activity=activity)),
            f"the activity {activity.name}",
        ),
        (
            "names_resource",
            Exists(AccessPolicy.resources.through._default_manager.filter(accesspolicy=policy_id, resource=resource)),
            f"the resource {resource.name}",
        ),
    )
    policies = AccessPolicy.objects.annotate(**{name: condition for name, condition, _ in parts})
    score = sum((_one_if(name) for name, _, _ in parts), Value(0))
    nearest = policies.annotate(score=score).filter(score__gte=2).order_by("-score", "-is_active", "priority", "name")
    active = policies.filter(is_active=True)
    unnamed = tuple(
        f"No active access policy names {what}."
        for name, _, what in parts
        if not active.filter(**{name: True}).exists()
    )
    words = {name: what for name, _, what in parts}
    pair = activity.pk, resource.pk
    taken = {one.policy_id: one for one in exceptions_of(user.pk, [pair]).get(pair, ())}
    found = tuple(
        Nearest(policy, _lacks(policy, words, taken.get(policy.pk, taken.get(None))))
        for policy in nearest[:MOST_NEAREST]
    )
    return found, unnamed


def _one_if(name: str) -> Case:
    return Case(When(**{name: True}, then=Value(1)), default=Value(0), output_field=IntegerField())


def _lacks(policy: AccessPolicy, words: dict[str, str], exception: AccessException | None) -> str:
    """Return what the policy lacks, as the end of a sentence that begins with its name.

    `exception` is the one that counts for it, if there is one.
    """
    missing = [what for name, what in words.items() if not getattr(policy, name)]
    named = [what for name, what in words.items() if getattr(policy, name)]
    text = f"names {' and '.join(named)}, but not {missing[0]}" if missing else ""
    inactive = "" if policy.is_active else "is not active"
    taken = f"has an exception of the access review “{exception.review_name}”" if exception and not missing else ""
    return " and ".join(part for part in (text, inactive, taken) if part)
