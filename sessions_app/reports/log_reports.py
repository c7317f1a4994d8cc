"""Reports that read the activity log: changes of roles and policies, and failed and refused logins."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from django import forms
from django.apps import apps
from django.db.models import Count, Q, QuerySet
from django.utils.safestring import SafeString

from activity import log, names
from activity.addresses import numbered
from activity.listing import Column, empty, link
from activity.models import LogEntry
from activity.names import then_and_now
from activity.tables import actor_cell, message_text, verb_label
from activity.verbs import Verb
from sessions_app.reports.periods import Days
from sessions_app.reports.report import (
    TIME_WIDTH,
    Counts,
    QueryAnswer,
    Question,
    Report,
    Total,
    choice_field,
    text_field,
    when,
)
from sessions_app.reports.session_reports import MOST_LINES, counts_of

CHANGES = (Verb.ROLE_CHANGED, Verb.RECORD_ADDED, Verb.RECORD_CHANGED, Verb.RECORD_DELETED)
# What is one's own choice and gives nobody a right.
PERSONAL = "sessions_app.personalsettings"
POLICIES = tuple(
    f"sessions_app.{name}"
    for name in ("accesspolicy", "connectionprofile", "approvaltier", "activity", "resource", "accessexception")
)
PEOPLE = ("auth.user", "auth.group", "sessions_app.application")
OF_PEOPLE, OF_POLICIES, OF_OTHERS = "roles", "policies", "others"
KINDS = [
    (OF_PEOPLE, "Roles, groups and accounts"),
    (OF_POLICIES, "Policies, profiles, activities, resources"),
    (OF_OTHERS, "Everything else that is configured"),
]
REFUSALS = (
    Verb.LOGIN_FAILED,
    Verb.LOGIN_THROTTLED,
    Verb.FACTOR_FAILED,
    Verb.CONNECTION_REFUSED,
    Verb.TICKET_REFUSED,
    Verb.SCIM_REFUSED,
)
NOBODY = "No account of that name"


def entries_of(days: Days, verbs: Sequence[Verb]) -> QuerySet[LogEntry]:
    """Return the entries of a period with one of these verbs."""
    return LogEntry.objects.filter(at__gte=days.start, at__lt=days.end, verb__in=[verb.value for verb in verbs])


def about(entries: QuerySet[LogEntry], name: str, path: str) -> QuerySet[LogEntry]:
    """Return the entries of the accounts of that name, by the key at `path`."""
    return entries.filter(names.of_accounts(name, path)) if name else entries


class EntriesAnswer(QueryAnswer):
    """Entries of the log, the newest first."""

    def __init__(self, queryset: QuerySet[LogEntry]) -> None:
        super().__init__(queryset, "at")

    def shown(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return names.logged(queryset)

    def frequency(self, path: str) -> dict[Any, int]:
        """Return how many entries there are for each value of a field."""
        found = self.queryset.order_by().values_list(path).annotate(number=Count("pk"))
        return dict(found)


def _at(entry: LogEntry) -> str:
    return link(numbered("activity_entry", entry.pk), when(entry.at))


def _target(entry: LogEntry) -> str:
    return link(log.target_url(entry), entry.target_name) if entry.target_name else empty("")


def _user(entry: LogEntry) -> SafeString | str:
    if not entry.user_name:
        return NOBODY
    return then_and_now(entry.user_name, getattr(entry, "user_now", None))


# --- changes


def before_and_after(details: Mapping[str, Any]) -> tuple[str, str]:
    """Return what an entry says of the values before and after a change, one line for each field."""
    before: list[str] = []
    after: list[str] = []
    for key, value in details.items():
        if key == "changes" and isinstance(value, dict):
            for field, change in value.items():
                pair = change if isinstance(change, dict) else {"new": change}
                before.append(_line(field, pair.get("old")))
                after.append(_line(field, pair.get("new")))
        elif key in ("new", "old") and isinstance(value, dict):
            (after if key == "new" else before).extend(_line(field, one) for field, one in value.items() if _says(one))
        elif key in ("added", "removed") and isinstance(value, dict):
            side, sign = (after, "added") if key == "added" else (before, "removed")
            side.extend(f"{sign} {what}: {_text(members)}" for what, members in value.items())
        else:
            after.append(_line(key, value))
    return "\n".join(before), "\n".join(after)


def _says(value: object) -> bool:
    return value not in (None, "", [], {})


def _line(field: str, value: object) -> str:
    return f"{field.replace('_', ' ')}: {_text(value)}"


def _text(value: object) -> str:
    if not _says(value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict) else str(value)


def _kind_of(entry: LogEntry) -> str:
    """Return the kind of object in words; as it is stored where the console does not know it any more."""
    try:
        return str(apps.get_model(entry.target_type)._meta.verbose_name) if entry.target_type else ""
    except (LookupError, ValueError):
        return entry.target_type


def _kind(kind: str) -> Q:
    roles = Q(verb=Verb.ROLE_CHANGED) | Q(target_type__in=PEOPLE)
    rules = Q(target_type__in=POLICIES)
    return {OF_PEOPLE: roles, OF_POLICIES: rules, OF_OTHERS: ~roles & ~rules}[kind]


class ChangesAnswer(EntriesAnswer):
    """Entries about changes."""

    @cached_property
    def _found(self) -> Sequence[tuple[str, str, int]]:
        """Return the verb, the actor and how many entries they have, with one query."""
        groups = self.queryset.order_by().values_list("verb", "actor_name")
        return list(groups.annotate(number=Count("pk")))

    def totals(self) -> Sequence[Total]:
        verbs = _summed((verb, number) for verb, _, number in self._found)
        people = len({actor for _, actor, _ in self._found})
        return [*((str(verb.label), f"{verbs[verb.value]:,}") for verb in CHANGES), ("Actors", f"{people:,}")]

    def counts(self) -> Sequence[Counts]:
        actors = _summed((actor or "System", number) for _, actor, number in self._found).most_common()
        return [Counts("By actor", "Actor", actors[:MOST_LINES], more=max(len(actors) - MOST_LINES, 0))]


def _summed(pairs: Iterable[tuple[str, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for what, number in pairs:
        found[what] += number
    return found


class Changes(Report):
    slug = "changes"
    title = "Changes of roles and policies"
    line = (
        "Who changed roles, groups, accounts, policies, profiles and other configuration, with values before and after."
    )
    shows = (
        "Every change of roles, groups, accounts, policies and other configuration in the period, the newest first, as "
        "the activity log holds it. Secrets are never in it."
    )
    noun, nouns = "change", "changes"
    empty = "Nobody changed roles, policies or other configuration in this period."
    columns = (
        Column("at", "Date and time", "at", TIME_WIDTH, _at),
        Column("actor", "By", "actor_name", cell=actor_cell, csv=lambda entry: entry.actor_name or "System", width=88),
        Column("activity", "Change", csv=verb_label, width=108),
        Column("target_type", "Kind", csv=_kind_of, width=92),
        Column("target", "Object", "target_name", cell=_target, width=112),
        Column("message", "What was changed", "message", 200, message_text),
        Column("before", "Before", csv=lambda entry: before_and_after(entry.details)[0], width=200),
        Column("after", "After", csv=lambda entry: before_and_after(entry.details)[1], width=200),
        Column("ip", "Address", "ip", 104),
        Column("entry", "Entry", "pk", 64, is_number=True),
    )

    def fields(self) -> dict[str, forms.Field]:
        return {
            "actor": text_field("Changed by"),
            "kind": choice_field("Of what", "Everything", KINDS),
            "object": text_field("Object"),
        }

    def answer(self, question: Question) -> ChangesAnswer:
        entries = entries_of(question.period, CHANGES).exclude(target_type=PERSONAL)
        entries = about(entries, question.text("actor"), "actor_id")
        if kind := question.text("kind"):
            entries = entries.filter(_kind(kind))
        if name := question.text("object"):
            entries = entries.filter(target_name__folded_contains=name)
        return ChangesAnswer(entries)


# --- logins


class RefusalsAnswer(EntriesAnswer):
    """Entries about logins that failed or were refused."""

    def totals(self) -> Sequence[Total]:
        found = self.frequency("verb")
        distinct = self.queryset.order_by().aggregate(
            people=Count("user", distinct=True),
            addresses=Count("ip", distinct=True),
            nobody=Count("pk", filter=Q(user=None)),
        )
        return [
            *((str(verb.label), f"{found[verb.value]:,}") for verb in REFUSALS if verb.value in found),
            ("Accounts", f"{distinct['people']:,}"),
            ("Addresses", f"{distinct['addresses']:,}"),
            ("With no account", f"{distinct['nobody']:,}"),
        ]

    def counts(self) -> Sequence[Counts]:
        by_reason = sorted(self.frequency("verb").items(), key=lambda one: (-one[1], one[0]))
        labels = dict(Verb.choices)
        return [
            counts_of(self.queryset.exclude(user_name=""), "user_name", "By person", "User"),
            counts_of(self.queryset, "ip", "By address", "Address"),
            Counts("By reason", "Reason", [(str(labels.get(verb, verb)), number) for verb, number in by_reason]),
        ]


class FailedLogins(Report):
    slug = "failed-logins"
    title = "Failed and refused logins"
    line = "Logins to the console and connections through the gateway that failed or were refused: counts and list."
    shows = (
        "Every login to the console, second factor, connection through the gateway and request by SCIM in the period "
        "that failed or was refused, the newest first. After too many failures one entry stands for a whole window."
    )
    noun, nouns = "refusal", "refusals"
    empty = "No login failed and none was refused in this period."
    columns = (
        Column("at", "Date and time", "at", TIME_WIDTH, _at),
        Column("user", "User", "user_name", 110, _user),
        Column("ip", "Address", "ip", 104),
        Column("activity", "What", csv=verb_label, width=150),
        Column("message", "Reason", "message", 360, message_text),
        Column("entry", "Entry", "pk", 64, is_number=True),
    )

    def fields(self) -> dict[str, forms.Field]:
        kinds = [(verb.value, str(verb.label)) for verb in REFUSALS]
        return {
            "user": text_field("User"),
            "ip": forms.GenericIPAddressField(label="Address", required=False),
            "verb": choice_field("What", "Everything", kinds),
        }

    def answer(self, question: Question) -> RefusalsAnswer:
        entries = about(entries_of(question.period, REFUSALS), question.text("user"), "user_id")
        if address := question.text("ip"):
            entries = entries.filter(ip=address)
        if verb := question.text("verb"):
            entries = entries.filter(verb=verb)
        return RefusalsAnswer(entries)
