"""Accounts by the names that they have and had.

Rows keep the name that somebody had at the time. People are renamed, and a name that became free is given to somebody
else; so whoever asks for a name is shown what belongs to its accounts, whatever those were called then, and where it is
more than one account they are told of each. "anna #7" is account 7 and no other. Knows Django's accounts only.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import Case, IntegerField, OuterRef, Q, QuerySet, Subquery, TextField, Value, When
from django.db.models.functions import NullIf
from django.db.models.signals import post_save, pre_save
from django.utils import timezone
from django.utils.safestring import SafeString

from activity.listing.columns import Column, empty, escaped
from activity.listing.csv_expressions import Text
from activity.models import LogEntry, PastName

LONGEST_LABEL = 170  # characters of a name and a number
MOST_ALIKE = 10  # accounts of one name
MOST_FOUND = 200  # accounts whose names hold a text, asked for one by one
MOST_SUGGESTIONS = 20
AFTER_ALL_LETTERS = "\U0010ffff"
NUMBERED = re.compile(r"(.*?)\s*#([0-9]{1,18})", re.DOTALL)  # no name of an account has a #
HELD, IS, BEGINS = "folded_contains", "folded_exact", "folded_startswith"


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """One account: its key, and its name now."""

    pk: int
    now: str

    @property
    def numbered(self) -> str:
        """Return the text that finds this account and no other."""
        return f"{self.now} #{self.pk}"


# --- keeping them


def follow() -> None:
    """Keep the old name of every account that is renamed. Called once at start."""
    model = get_user_model()
    pre_save.connect(_before, sender=model, dispatch_uid="activity_name_before")
    post_save.connect(_after, sender=model, dispatch_uid="activity_name_after")


def _before(sender: Any, instance: Any, raw: bool = False, update_fields: Any = None, **kwargs: Any) -> None:
    name = sender.USERNAME_FIELD
    is_kept = raw or instance.pk is None or (update_fields is not None and name not in update_fields)
    instance._had_name = (
        None if is_kept else sender._default_manager.filter(pk=instance.pk).values_list(name, flat=True).first()
    )


def _after(sender: Any, instance: Any, **kwargs: Any) -> None:
    before = getattr(instance, "_had_name", None)
    if before is not None and before != instance.get_username():
        PastName.objects.update_or_create(user_id=instance.pk, name=before, defaults={"until": timezone.now()})


# --- finding them


def _names(lookup: str, text: str) -> tuple[dict[str, str], QuerySet[PastName]]:
    """Return the condition on the name that an account has, and the names that accounts had."""
    return {f"{get_user_model().USERNAME_FIELD}__{lookup}": text}, PastName.objects.filter(**{f"name__{lookup}": text})


def called(text: str) -> list[Account]:
    """Return the accounts of that name: first those that have it now, then those that had it.

    Upper and lower case count only where two accounts have names that differ in nothing else.
    """
    if match := NUMBERED.fullmatch(text):
        return _accounts(Q(pk=int(match[2])))
    now, before = _names(IS, text)
    have, had = _accounts(Q(**now)), before.values("user")
    exact = [each for each in have if each.now == text]
    others = _accounts(Q(pk__in=had) & ~Q(pk__in=[each.pk for each in have]))
    return (exact or have)[:MOST_ALIKE] + others


def _accounts(which: Q) -> list[Account]:
    model = get_user_model()
    rows = model._default_manager.filter(which).order_by("pk").values_list("pk", model.USERNAME_FIELD)
    return [Account(pk, name) for pk, name in rows[:MOST_ALIKE]]


def of_accounts(text: str, path: str) -> Q:
    """Select rows whose account, by its key at `path`, has or had a name that contains `text`."""
    if match := NUMBERED.fullmatch(text):
        return Q(**{path: int(match[2])})
    now, before = _names(HELD, text)
    model = get_user_model()
    found = model._default_manager.filter(Q(**now) | Q(pk__in=before.values("user"))).order_by().values("pk")
    few = list(found.values_list("pk", flat=True)[: MOST_FOUND + 1])
    # A few keys lead through an index of the rows; many are looked up for each row in the order of the list.
    return Q(**{f"{path}__in": few if len(few) <= MOST_FOUND else found})


def renamed_to(words: Sequence[str], paths: Iterable[str]) -> dict[str, Q]:
    """Return for each word the condition that finds rows of renamed accounts whose name now holds it.

    `paths` lead to the keys of the accounts, because those names are not in the rows. Words that find nobody are left
    out.
    """
    model = get_user_model()
    name = model.USERNAME_FIELD
    found: dict[str, Q] = {}
    if not PastName.objects.exists():
        return found
    renamed = model._default_manager.filter(pk__in=PastName.objects.values("user")).order_by("pk")
    for word in words:
        keys = list(renamed.filter(**{f"{name}__{HELD}": word}).values_list("pk", flat=True)[:MOST_FOUND])
        if keys:
            found[word] = Q()
            for path in paths:
                found[word] |= Q(**{f"{path}__in": keys})
    return found


def begins_with(field: str, words: str, vendor: str) -> Q:
    """Return the condition that a field begins with `words`: as typed, in small, capital and with one capital.

    It uses the index of the field, which SQLite's LIKE does not, because that ignores case.
    """
    begins = Q()
    for spelling in dict.fromkeys((words, words.lower(), words.upper(), words.capitalize())):
        if vendor == "sqlite":
            begins |= Q(**{f"{field}__gte": spelling, f"{field}__lt": spelling + AFTER_ALL_LETTERS})
        else:
            begins |= Q(**{f"{field}__startswith": spelling})
    return begins


def suggest(text: str) -> list[tuple[str, str]]:
    """Return up to 20 names that hold `text`, with what is shown beside each.

    First come names that begin with it, then other names, then names that accounts had. Where enough begin with it, the
    index of the names answers, and nobody else is looked for.
    """
    model = get_user_model()
    name = model.USERNAME_FIELD
    begin = model._default_manager.filter(begins_with(name, text, connections[model._default_manager.db].vendor))
    if len(first := list(begin.order_by(name).values_list(name, flat=True)[:MOST_SUGGESTIONS])) == MOST_SUGGESTIONS:
        return [(each, "") for each in first]
    now, before = _names(HELD, text)
    begins = Case(When(**{f"{name}__{BEGINS}": text}, then=Value(0)), default=1, output_field=IntegerField())
    rows = model._default_manager.filter(**now).order_by(begins, name).values_list("pk", name)[:MOST_SUGGESTIONS]
    past = before.order_by("name", "pk").values_list("name", "user", f"user__{name}")[:MOST_SUGGESTIONS]
    shared = {each for each, _, _ in past}
    found = [(f"{each} #{pk}", f"{each}, now") if each in shared else (each, "") for pk, each in rows]
    found += [(f"{each} #{pk}", f"{each}, now {other}") for each, pk, other in past if each != other]
    return found[:MOST_SUGGESTIONS]


# --- showing them


def name_now(path: str = "user_id") -> Subquery:
    """Return an annotation: the name that the account with its key at `path` has now.

    It is a subquery, because a join would change the order in which SQLite reads.
    """
    model = get_user_model()
    mine = model._default_manager.filter(pk=OuterRef(path)).order_by()
    return Subquery(mine.values(model.USERNAME_FIELD)[:1])


def logged(entries: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
    """Log entries with the names that their people have now."""
    return entries.annotate(actor_now=name_now("actor_id"), user_now=name_now("user_id"))


def then_and_now(then: str, now: str | None, shown: SafeString | str | None = None) -> SafeString:
    """Return the name at the time, and the name now where it differs. `shown` is the first as HTML, such as a link."""
    first = shown if isinstance(shown, SafeString) else escaped(then)
    return SafeString(f"{first} <small class=now>now {escaped(now)}</small>" if now and now != then else first)


def now_column(key: str, label: str, path: str, then: str) -> Column:
    """Return a column with the name that the account at `path` has now, where it differs from the row's field `then`.

    It is hidden on the page and always in the download.
    """
    name = f"{path}__{get_user_model().USERNAME_FIELD}"

    def value(row: Any) -> str:
        for step in path.split("__"):
            row_of_then, row = row, getattr(row, step)
        before = getattr(row_of_then, then.rpartition("__")[2])
        return "" if row is None or row.get_username() == before else str(row.get_username())

    def written() -> Text:
        # Where nobody was ever renamed, no row is joined to its account: that takes half as long again.
        if not PastName.objects.exists():
            return Text(Value("", output_field=TextField()))
        return Text(NullIf(name, then, output_field=TextField()))

    return Column(
        key,
        label,
        width=130,
        cell=lambda row: empty(value(row)),
        csv=value,
        sort="",
        sql=written,
        reads=(name, then),
        is_hidden=True,
    )
