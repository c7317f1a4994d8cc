"""Which login rules count for a person, and whether they let somebody in from an address at a time.

Each part of a rule (networks, hours, number of logins) counts by itself. A part of the person's own rule replaces that
part of the rules of their groups. Without it every group's part must be met, so that one more group never lets anybody
do more.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, Q, QuerySet
from django.utils import timezone

from activity.compiled_query import CompiledQuery
from sessions_app.login_rules import hours, networks
from sessions_app.login_rules.models import LoginRule, SignInSettings

ASK = "An administrator can change this rule."


class Part(enum.Enum):
    """The part of a rule that refused somebody."""

    NETWORKS = "networks"
    HOURS = "hours"
    MAX_LOGINS = "max_logins"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which part of which rule does not let a person in, as a sentence for that person."""

    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule as it is stored, of a person (no group name) or of a group."""

    group: str | None
    networks: str
    hours: str
    max_logins: int | None

    @property
    def owner(self) -> str:
        """Return whose rule it is, as a part of a sentence."""
        return "your account" if self.group is None else f"the group {self.group}"


@dataclass(frozen=True, slots=True)
class PersonRules:
    """The parts of rules that count for one person."""

    networks: Sequence[RuleText]
    hours: Sequence[RuleText]
    max_logins: Sequence[RuleText]

    @property
    def most_logins(self) -> int | None:
        """Return how many logins the person may have at a time by these rules; None if they do not say."""
        return min((rule.max_logins for rule in self.max_logins if rule.max_logins), default=None)


def rules_of(user_id: int) -> PersonRules:
    """Return the rules that count for this person, with one query."""
    return combined(RuleText(*row) for row in _rules.rows(user_id=user_id)[1])


def combined(rules: Iterable[RuleText]) -> PersonRules:
    """Return what counts of the rules of a person and of their groups."""
    found = sorted(rules, key=lambda rule: rule.group or "")

    def parts(name: str) -> list[RuleText]:
        having = [rule for rule in found if getattr(rule, name)]
        return [rule for rule in having if rule.group is None] or having

    return PersonRules(parts("networks"), parts("hours"), parts("max_logins"))


def why_refused(rules: PersonRules, address: str, now: dt.datetime) -> Refusal | None:
    """Return the first rule that does not let a person in from this address at this time; None if all do."""
    for rule in rules.networks:
        if not networks.is_inside(address, rule.networks):
            text = f"The login rule of {rule.owner} does not allow {address or 'an unknown address'}. {ASK}"
            return Refusal(Part.NETWORKS, text)
    local = timezone.localtime(now, timezone.get_default_timezone())
    for rule in rules.hours:
        if not hours.is_within(local, rule.hours):
            at = f"{hours.DAYS[local.weekday()]} {local:%H:%M %Z}"
            text = f"The login rule of {rule.owner} allows {hours.in_one_line(rule.hours)} only, and it is {at}. {ASK}"
            return Refusal(Part.HOURS, text)
    return None


def refusal_of(user_id: int, address: str) -> Refusal | None:
    """Return the rule that does not let this person in from this address now; None if there is none."""
    return why_refused(rules_of(user_id), address, timezone.now())


def most_logins(user_id: int, settings: SignInSettings) -> int | None:
    """Return how many logins this person may have at a time; None for any number."""
    of_rules = rules_of(user_id).most_logins
    return settings.max_logins if of_rules is None else of_rules


def why_shut_out(user_id: int, wanted: LoginRule, address: str) -> Refusal | None:
    """Return what would not let this person go on from this address now, if the rule `wanted` were saved."""
    if wanted.group_id is not None:
        if not _memberships(user_id).filter(group_id=wanted.group_id).exists():
            return None
    elif wanted.user_id != user_id:
        return None
    others = LoginRule.objects.filter(_counts_for(user_id)).exclude(pk=wanted.pk).select_related("group")
    texts = [
        RuleText(rule.group.name if rule.group is not None else None, rule.networks, rule.hours, rule.max_logins)
        for rule in (*others, wanted)
    ]
    return why_refused(combined(texts), address, timezone.now())


def in_words(rules: PersonRules) -> list[str]:
    """Return a line for each rule that counts, with the group that it comes from."""
    lines = [(rule, f"From {networks.in_one_line(rule.networks)}") for rule in rules.networks]
    lines += [(rule, hours.in_one_line(rule.hours)) for rule in rules.hours]
    lines += [(rule, f"At most {rule.max_logins} at a time") for rule in rules.max_logins]
    return [text if rule.group is None else f"{text} (group {rule.group})" for rule, text in lines]


def any_rule() -> Exists:
    """Return a condition that is true while there is a rule, for a query that is made anyway."""
    return Exists(LoginRule.objects.all())


def outside_hours(now: dt.datetime) -> dict[int, Refusal]:
    """Return the people whom the hours of their rules do not let in now, with two queries for all of them."""
    having = list(LoginRule.objects.exclude(hours="").select_related("group"))
    if not having:
        return {}
    members = get_user_model().groups.through._default_manager.filter(group_id__in=[rule.group_id for rule in having])
    texts: dict[int, list[RuleText]] = {}
    by_group = {rule.group_id: rule for rule in having}
    pairs = [*((rule.user_id, rule) for rule in having), *((pair.user_id, by_group[pair.group_id]) for pair in members)]
    for user_id, rule in pairs:
        if user_id is not None:
            name = rule.group.name if rule.group is not None else None
            texts.setdefault(user_id, []).append(RuleText(name, "", rule.hours, None))
    found = {user_id: why_refused(combined(rules), "", now) for user_id, rules in texts.items()}
    return {user_id: refusal for user_id, refusal in found.items() if refusal is not None}


def _own_and_of_groups(user_id: int) -> QuerySet[LoginRule, Any]:
    return LoginRule.objects.filter(_counts_for(user_id)).values_list("group__name", "networks", "hours", "max_logins")


def _counts_for(user_id: int) -> Q:
    return Q(user_id=user_id) | Q(group_id__in=_memberships(user_id).values("group_id"))


def _memberships(user_id: int) -> QuerySet[Any]:
    return get_user_model().groups.through._default_manager.filter(user_id=user_id)


_rules = CompiledQuery(LoginRule, _own_and_of_groups, user_id=int)
