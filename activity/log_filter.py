"""The filters above the activity log. What each selects, and which of them look for words in the index of words."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterator
from typing import Any, cast

import django_filters
from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.validators import EMPTY_VALUES
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.safestring import SafeString

from activity import names
from activity.details_search import MOST_READ, details_hold
from activity.filter_choices import target_types, verbs_by_group, verbs_of
from activity.filters import (
    LEVEL_CHOICES,
    LEVELS,
    AccountFilterSet,
    of_levels,
    of_outcome,
    reads_whole_log,
    terms_of,
    within,
)
from activity.listing.filterset import EXACTLY, NOT, NOT_EXACTLY, parameters_of
from activity.models import LOG_WORDS, LogEntry, LogEntryQuerySet, Outcome
from activity.networks import Network, read_network, term_of
from activity.period import DEFAULT, Period, PeriodProblem, Span, read_span, whole_days
from activity.related import related
from activity.rollups.reading import Narrowing
from activity.text_index import Search, Term, held_by, words_of
from activity.verbs import Verb

MOST_WAYS = 12  # verbs that a list reads each by its own index; more are looked for in the order of the list
NUMBER = re.compile(r"#?([0-9]{1,18})")


class LogFilterForm(forms.Form):
    """Reads the period and finds the user. After validation, `span` and `accounts` (none: no account) hold them."""

    span: Span
    accounts: tuple[names.Account, ...] = ()

    def clean_user(self) -> str:
        """Return the account, or the name that the log knows from failed logins."""
        name = str(self.cleaned_data["user"] or "").strip()
        self.accounts = tuple(names.called(name)) if name else ()
        if name and not self.accounts and not LogEntry.objects.filter(user=None, user_name=name).exists():
            raise forms.ValidationError(
                f"There is no user called “{name[:40]}”, and the log does not contain that name."
            )
        return name

    def clean(self) -> dict[str, Any]:
        """Check that the fields of the period make sense together, and name the wrong one where they do not."""
        try:
            self.span = read_span({name: str(value or "") for name, value in self.cleaned_data.items()}, timezone.now())
        except PeriodProblem as problem:
            if problem.field in self.fields:
                self.add_error(problem.field, str(problem))
        return self.cleaned_data


class NetworkField(forms.CharField):
    """A form field for an address or a network."""

    def clean(self, value: Any) -> Network | None:
        """Return the network; None where nothing was typed. Raise ValidationError for anything else."""
        text = super().clean(value)
        try:
            return read_network(text) if text else None
        except ValueError as problem:
            raise forms.ValidationError(str(problem)) from problem


class NetworkFilter(django_filters.CharFilter):  # type: ignore[misc]  # the package has no types
    """Selects entries by the address that they came from."""

    field_class = NetworkField


class _HostNames:
    """The address that suggests names of hosts, which is known only once everything has started."""

    def __str__(self) -> str:
        answer = related()
        return str(answer.host_names_url) if answer is not None else ""


def suggesting_hosts() -> forms.TextInput:
    """Return a field that suggests the names of hosts while somebody types."""
    return forms.TextInput(
        {
            "list": "host-names",
            "autocomplete": "off",
            "hx-get": _HostNames(),
            "hx-trigger": "focus once, input changed delay:200ms",
            "hx-target": "#host-names",
            "hx-swap": "innerHTML",
            "hx-push-url": "false",
            "hx-sync": "this:replace",
        }
    )


def of_verbs(queryset: LogEntryQuerySet, chosen: list[str], *, is_not: bool) -> LogEntryQuerySet:
    """Return the entries of some verbs, which may be whole groups (login.*), or all but those."""
    verbs = verbs_of(chosen)
    if not verbs:
        return queryset
    if is_not:
        return queryset.exclude(verb__in=verbs)
    if len(verbs) == 1:
        return queryset.filter(verb=verbs[0])
    if len(verbs) <= MOST_WAYS and not queryset.alternatives:
        return queryset.either(*(Q(verb=verb) for verb in verbs))
    return queryset.filter(verb__in=verbs)


def about_group(group: Group) -> Q:
    """Return the condition for entries by or about people who are in the group now."""
    members = get_user_model()._default_manager.filter(groups=group).order_by().values("pk")
    return Q(actor_id__in=members) | Q(user_id__in=members)


class LogFilter(AccountFilterSet):
    """The filters above the activity log. Who sees only their own entries has none for people."""

    period = django_filters.ChoiceFilter(label="Time period", choices=Period.choices, empty_label=None)
    since = django_filters.CharFilter(label="From", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
    until = django_filters.CharFilter(label="To", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
    user = django_filters.CharFilter(label="User", max_length=names.LONGEST_LABEL)
    activity = django_filters.CharFilter(label="Activity keyword", max_length=200)
    where = django_filters.ChoiceFilter(
        label="Keyword looks into", choices=[("details", "The details too")], empty_label="Messages and names"
    )
    verb = django_filters.MultipleChoiceFilter(
        label="What was done", choices=verbs_by_group, widget=forms.SelectMultiple({"size": 7})
    )
    outcome = django_filters.ChoiceFilter(label="Outcome", choices=Outcome.choices, empty_label="Any outcome")
    level = django_filters.ChoiceFilter(label="Level", choices=LEVEL_CHOICES, empty_label="All levels")
    group = django_filters.ModelChoiceFilter(
        label="People in the group now", queryset=Group.objects.order_by("name"), empty_label="Anybody"
    )
    host = django_filters.CharFilter("host", "folded_contains", label="Host", max_length=120, widget=suggesting_hosts())
    recording = django_filters.ChoiceFilter(
        label="Session", choices=[("yes", "With a recording")], empty_label="Any or none"
    )
    target_type = django_filters.ChoiceFilter(label="Kind of target", choices=target_types, empty_label="Any target")
    target = django_filters.CharFilter(label="Target (name or #number)", max_length=120)
    address = NetworkFilter(label="Address or network", max_length=60)

    in_view = frozenset({"period", "since", "until", "user", "activity"})  # beside the button Filter, not under it
    several = frozenset({"verb"})
    only_is = frozenset({"since", "until", "activity", "where"})
    without_chip = frozenset({"period", "since", "until", "activity"})

    class Meta:
        model = LogEntry
        form = LogFilterForm
        fields: list[str] = []

    def __init__(self, data: Any = None, queryset: Any = None, *, request: Any = None, prefix: str | None = None):
        data = data.copy() if data is not None else QueryDict(mutable=True)
        if not data.get("period"):
            data["period"] = Period.CUSTOM if data.get("since") or data.get("until") else DEFAULT
        for name in ("since", "until"):
            if data.get(name):
                data[name] = whole_days(name, data[name])
        if "verb" in data:
            data.setlist(
                "verb", [each for each in parameters_of(data, self.several).get("verb", "").split(",") if each]
            )
        super().__init__(data, queryset, request=request, prefix=prefix)
        if not reads_whole_log(request.user):
            del self.filters["user"], self.filters["group"]
        if related() is None:
            del self.filters["host"], self.filters["recording"]

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Apply all filters but those that look for words, which the list does in its own way."""
        form = self.form
        asked = form.cleaned_data
        queryset = within(cast("LogEntryQuerySet", queryset), form.span)
        if name := asked.get("user"):
            # Without an account: entries about a name alone, from failed logins.
            alternatives = [Q(user=None, user_name=name)]
            for account in form.accounts:
                alternatives += [Q(actor_id=account.pk), Q(user_id=account.pk)]
            if self.operator("user") == NOT:
                queryset = queryset.exclude(functools.reduce(operator.or_, alternatives))
            else:
                queryset = queryset.either(*alternatives)
        queryset = of_verbs(queryset, asked["verb"], is_not=self.operator("verb") == NOT)
        for condition, is_not in self._conditions():
            queryset = queryset.exclude(condition) if is_not else queryset.filter(condition)
        queryset = of_outcome(queryset, asked["outcome"], is_not=self.operator("outcome") == NOT)
        return of_levels(queryset, asked["level"], is_not=self.operator("level") == NOT)

    def _conditions(self) -> Iterator[tuple[Q, bool]]:
        """Yield what the other filters select, each with whether it is left out."""
        asked, others = self.form.cleaned_data, related()
        if group := asked.get("group"):
            yield about_group(group), self.operator("group") == NOT
        if others is not None and (host := asked.get("host")):
            how = self.operator("host")
            yield others.of_hosts(host, how in (EXACTLY, NOT_EXACTLY)), how in (NOT, NOT_EXACTLY)
        if others is not None and asked.get("recording"):
            yield others.with_recording(), self.operator("recording") == NOT
        if kind := asked["target_type"]:
            yield Q(target_type=kind), self.operator("target_type") == NOT
        if target := asked["target"].strip():
            if match := NUMBER.fullmatch(target):
                kinds = {} if asked["target_type"] else {"target_type__in": [key for key, _ in target_types()]}
                yield Q(target_id=int(match[1]), **kinds), self.operator("target") == NOT
            elif self.operator("target") == NOT:
                yield functools.reduce(operator.and_, self._target_words(target)), True
        if asked["address"] is not None and self.operator("address") == NOT:
            yield Q(ip__in_network=str(asked["address"])), True

    def _target_words(self, text: str) -> list[Q]:
        return [held_by(("target_name",), word) for word in words_of(text)]

    @property
    def chosen_people(self) -> tuple[tuple[int, ...] | None, tuple[int, ...]]:
        """Return the keys of the accounts that are asked for (None: everybody), and of those that are left out."""
        named = tuple(account.pk for account in self.form.accounts)
        if self.operator("user") == NOT:
            return None, named
        return (named if self.form.cleaned_data.get("user") else None), ()

    @property
    def narrowing(self) -> Narrowing | None:
        """Return the levels and outcomes that are asked for; None if other filters than these and the time are set."""
        asked = self.form.cleaned_data
        known = {"period", "since", "until", "level", "outcome"}
        if any(value not in EMPTY_VALUES for name, value in asked.items() if name not in known):
            return None
        every = Narrowing()
        levels, outcomes = every.levels, every.outcomes
        if asked["level"]:
            chosen = frozenset(LEVELS[asked["level"]])
            levels = levels - chosen if self.operator("level") == NOT else chosen
        if asked["outcome"]:
            one = frozenset({asked["outcome"]})
            outcomes = outcomes - one if self.operator("outcome") == NOT else one
        return Narrowing(levels, outcomes)

    @property
    def user_menu(self) -> SafeString:
        """Return the menu before the field for the user: is, is not."""
        return self.operator_menu("user")

    def applied(self) -> dict[str, object]:
        """Return the period in words and as times in UTC, for the manifest of a download."""
        span = self.form.span
        limits = {"from": span.start, "until": span.end}
        return {"period": span.words, **{name: at.isoformat() if at else None for name, at in limits.items()}}

    @property
    def words(self) -> Search | None:
        """Return the words of the keyword, of the target's name and of the address.

        The list looks for them in its own way (activity/listing/text_search_page.py): by the index of words, which also
        begins to look for a network.
        """
        asked = self.form.cleaned_data
        terms = terms_of(asked["activity"]) if asked["activity"].strip() else []
        reads_details = bool(asked["where"] and terms)
        if reads_details:
            # Entries about reading the log hold what was looked for: whoever looks again would find only that.
            others = ~Q(verb=Verb.LOG_READ)
            terms = [Term(term.forms, term.exact | (details_hold(term.forms[0]) & others)) for term in terms]
        target = asked["target"].strip()
        if target and not NUMBER.fullmatch(target) and self.operator("target") != NOT:
            words = zip(words_of(target), self._target_words(target), strict=True)
            terms += [Term((word,), condition) for word, condition in words]
        if asked["address"] is not None and self.operator("address") != NOT:
            terms.append(term_of(asked["address"]))
        if not terms:
            return None
        return Search(tuple(terms), None, MOST_READ) if reads_details else Search(tuple(terms), LOG_WORDS)
