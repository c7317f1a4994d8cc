"""What the activity log can be narrowed by: time period, user, keyword, level, outcome."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

import django_filters
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db.models import Q, QuerySet
from django.utils.safestring import SafeString

from activity import names
from activity.compiled_query import CompiledQuery
from activity.folding import fold
from activity.listing.columns import escaped
from activity.listing.filterset import KeptFilterSet
from activity.models import Level, LogEntryQuerySet, Outcome
from activity.period import Span
from activity.text_index import Term, held_by, words_of
from activity.verbs import Verb

LEVELS = {
    "debug": (Level.DEBUG,),
    "info": (Level.INFO,),
    "warning": (Level.WARNING,),
    "error": (Level.ERROR,),
    "problems": (Level.WARNING, Level.ERROR),
}
LEVEL_CHOICES = [
    ("problems", "Warnings and errors"),
    ("error", "Error"),
    ("warning", "Warning"),
    ("info", "Info"),
    ("debug", "Debug"),
]


def reads_whole_log(user: AbstractUser | AnonymousUser) -> bool:
    """Return whether the person may see everybody's entries, as administrators and auditors do."""
    return bool(user.has_perm("activity.view_logentry"))


def suggest_users(text: str) -> list[tuple[str, str]]:
    """Return up to 20 user names that hold `text`, each with what is shown beside it. Earlier names count too."""
    if not text:  # every full page of the log asks this: the first names of the index, not all of them sorted
        return [(row[0], "") for row in _first_names.rows()[1]]
    return names.suggest(text)


def _first() -> QuerySet[Any, Any]:
    model = get_user_model()
    name = model.USERNAME_FIELD
    return model._default_manager.order_by(name).values_list(name)[: names.MOST_SUGGESTIONS]


_first_names = CompiledQuery(get_user_model(), _first)


def options(suggested: Iterable[tuple[str, str]]) -> SafeString:
    """Return suggestions for a field, each with what it says beside it, as finished HTML for its datalist."""
    return SafeString("".join([_option(name, hint) for name, hint in suggested]))


def _option(name: str, hint: str) -> str:
    label = f' label="{escaped(hint)}"' if hint else ""
    return f'<option value="{escaped(name)}"{label}>'


class AccountFilter(django_filters.CharFilter):  # type: ignore[misc]  # the package has no types
    """Selects rows by the names that their accounts have and had (names.py).

    `path` leads to the key of the account; `is_whole` asks for whole names, else for a part of one.
    """

    def __init__(self, path: str, *, is_whole: bool = False, **more: Any) -> None:
        lookup = "exact" if is_whole else "folded_contains"
        super().__init__(path, lookup, label="User", max_length=names.LONGEST_LABEL, **more)
        self.is_whole = is_whole

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Select the rows of all accounts that the person chose."""
        return queryset.filter(self.condition(value, is_exact=False)) if value else queryset

    def condition(self, value: str, *, is_exact: bool) -> Q:
        """Return the condition for these rows."""
        if self.is_whole or is_exact:
            return Q(**{f"{self.field_name}__in": [each.pk for each in names.called(value)]})
        return names.of_accounts(value, self.field_name)


class AccountFilterSet(KeptFilterSet):
    """Filters of which one is for the user. `alike` are the accounts that a name may mean when it means several."""

    @property
    def alike(self) -> list[names.Account]:
        """Return those accounts for the notice above the list (listing.py)."""
        asked = self.form.cleaned_data.get("user", "") if self.form.is_valid() else ""
        found = names.called(asked) if asked else []
        return found if len(found) > 1 else []


def within(queryset: LogEntryQuerySet, span: Span) -> LogEntryQuerySet:
    """Return the entries of that time."""
    if span.start is not None:
        queryset = queryset.filter(at__gte=span.start)
    return queryset.filter(at__lt=span.end) if span.end is not None else queryset


def terms_of(text: str) -> list[Term]:
    """Return what an entry must hold for each word of the keyword: in message, verb, target or names, or as its IP."""
    words = words_of(text)
    renamed = names.renamed_to(words, ("actor_id", "user_id"))
    return [_term(word, renamed.get(word, Q())) for word in words]


def _term(word: str, renamed: Q) -> Term:
    verbs = [verb.value for verb in Verb if word in fold(verb.label) or word in verb.value]
    elsewhere = (Q(verb__in=verbs) if verbs else Q()) | renamed
    exact = held_by(("message", "target_name", "actor_name", "user_name"), word) | elsewhere
    if (address := _address(word)) is not None:
        exact |= Q(ip=address)
    return Term(tuple({word, address or word}), exact, elsewhere)


def _address(word: str) -> str | None:
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        return None


def of_levels(queryset: QuerySet[Any], choice: str, *, is_not: bool) -> QuerySet[Any]:
    """Return the entries of the levels of a choice, or all but those; all entries without a choice."""
    if not choice:
        return queryset
    levels = [level for level in Level if (level in LEVELS[choice]) != is_not]
    queryset = queryset.filter(level__in=levels)
    if min(levels) >= Level.WARNING:  # says so in the words of the index log_problems
        queryset = queryset.filter(level__gte=Level.WARNING)
    return queryset


def of_outcome(queryset: QuerySet[Any], outcome: str, *, is_not: bool) -> QuerySet[Any]:
    """Return the entries with that outcome, or all but those; all entries without an outcome."""
    if not outcome:
        return queryset
    if is_not:
        return queryset.exclude(outcome=outcome)
    queryset = queryset.filter(outcome=outcome)
    if outcome != Outcome.SUCCESS:  # says so in the words of the index log_refused
        queryset = queryset.exclude(outcome=Outcome.SUCCESS)
    return queryset
