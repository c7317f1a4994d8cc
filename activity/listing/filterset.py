"""The base class of a list's filters: those of django-filter, with "is not", chips, and fields whose HTML is kept.

Beside `status=locked` an address may say `status_is=not`, and for a text that a filter looks for, as in `host=web`,
`host_is=exactly` or `host_is=not-exactly` too. A filter of a class of its own says in `condition()` what it selects.

Django renders each field, and each choice of a menu, by a template, which takes 11 % of the log's page, 9 % of that of
sessions and 21 % of that of logins; Jinja2 would take half of it (docs/decisions/0019-rows-are-written-in-python.md).
So what a filter offers must not depend on the request; one that somebody may not use is deleted from `self.filters`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import django_filters
from django import forms
from django.core.validators import EMPTY_VALUES
from django.db.models import Q, QuerySet
from django.forms.boundfield import BoundField
from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

MOST_KEPT = 1000  # widgets; values come from addresses, which strangers write
LONGEST_KEPT = 100  # characters of a value
NOT, EXACTLY, NOT_EXACTLY = "not", "exactly", "not-exactly"
Operators = Mapping[str, str]  # the values of <filter>_is, and their words
OF_CHOICES: Operators = {"": "is", NOT: "is not"}
OF_TEXTS: Operators = {"": "contains", NOT: "does not contain", EXACTLY: "is", NOT_EXACTLY: "is not"}
OPPOSITE = {"": NOT, NOT: "", EXACTLY: NOT_EXACTLY, NOT_EXACTLY: EXACTLY}


@dataclasses.dataclass(frozen=True, slots=True)
class Chip:
    """An active filter, as it is shown above a list: "Status is Locked"."""

    name: str
    label: str
    words: str
    value: str
    opposite: str = ""  # the value of <name>_is that turns it around
    opposite_words: str = ""  # empty: it cannot be turned around


class KeptField(BoundField):
    """A form field whose HTML is kept for each value.

    It is written anew where the database says what may be chosen, and where something is wrong with the value.
    """

    _kept: ClassVar[dict[tuple[type, str, str], SafeString]] = {}

    def as_widget(self, widget: Any = None, attrs: Any = None, only_initial: bool = False) -> SafeString:
        """Return the field as HTML."""
        value = self.value()
        if isinstance(value, list):  # several choices, which are words of ours
            value = ",".join(map(str, value))
        is_plain = value is None or (isinstance(value, str) and len(value) <= LONGEST_KEPT)
        is_other = widget is not None or attrs is not None or only_initial or self.errors
        if is_other or not is_plain or isinstance(self.field, forms.ModelChoiceField):
            return super().as_widget(widget, attrs, only_initial)
        form: Any = self.form
        key = (form.filterset_class, self.html_name, value or "")
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            found = self._kept[key] = super().as_widget()
        return found


@functools.cache
def _operator_menu(name: str, label: str, operators: tuple[tuple[str, str], ...], chosen: str) -> SafeString:
    """Return the menu beside a field: is, is not."""
    choices = format_html_join(
        "", '<option value="{}"{}>{}</option>', ((key, _selected(key == chosen), words) for key, words in operators)
    )
    return format_html('<select name="{0}_is" id="id_{0}_is" aria-label="{1}: how">{2}</select>', name, label, choices)


def _selected(is_chosen: bool) -> SafeString:
    return SafeString(" selected" if is_chosen else "")


class KeptFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """A FilterSet whose form keeps the HTML of its fields.

    `only_is` names filters that have no "is not", `without_chip` those whose field is always in view and says it.
    `several` names those that take more than one choice: verb=a&verb=b, or verb=a,b as in links.
    """

    several: ClassVar[frozenset[str]] = frozenset()

    only_is: ClassVar[frozenset[str]] = frozenset()
    without_chip: ClassVar[frozenset[str]] = frozenset()
    quick: ClassVar[tuple[tuple[str, str, str], ...]] = ()  # filters of one click: name, value, words

    def get_form_class(self) -> type[forms.Form]:
        """Return the class of form of django-filter, with fields that are kept for this class of filters."""
        form: Any = super().get_form_class()
        form.bound_field_class = KeptField
        form.filterset_class = type(self)
        return cast("type[forms.Form]", form)

    def operators(self, name: str) -> Operators:
        """Return what <name>_is may be, with its words; nothing where a filter cannot be turned around."""
        each = self.filters.get(name)
        if name in self.only_is or (
            isinstance(each, django_filters.ChoiceFilter) and each.extra.get("empty_label") is None
        ):
            return {}
        kinds = (django_filters.ChoiceFilter, django_filters.ModelChoiceFilter, django_filters.MultipleChoiceFilter)
        if isinstance(each, kinds):
            return OF_CHOICES
        if isinstance(each, django_filters.CharFilter):
            return OF_TEXTS if each.lookup_expr == "folded_contains" else OF_CHOICES
        return {}

    def operator(self, name: str) -> str:
        """Return the value of <name>_is in the address. Whether it is one of `operators` the list checks."""
        return str(self.data.get(f"{name}_is") or "")

    def operator_menu(self, name: str) -> SafeString:
        """Return the menu with the operators of a filter as HTML; empty where it has none."""
        found = self.operators(name)
        if not found:
            return SafeString("")
        return _operator_menu(name, str(self.filters[name].label), tuple(found.items()), self.operator(name))

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Apply all filters, each as its operator says."""
        for name, value in self.form.cleaned_data.items():
            each, operator = self.filters[name], self.operator(name)
            if not operator or value in EMPTY_VALUES:
                queryset = each.filter(queryset, value)
            else:
                which = _condition(each, value, is_exact=operator in (EXACTLY, NOT_EXACTLY))
                is_negative = operator in (NOT, NOT_EXACTLY)
                queryset = queryset.exclude(which) if is_negative else queryset.filter(which)
        return queryset

    @property
    def chips(self) -> list[Chip]:
        """Return the filters that are active, in the order of their fields."""
        return [
            self._chip(name, field)
            for name, field in self.form.fields.items()
            if name not in self.without_chip
            and self.data.get(name)
            and self.form.cleaned_data.get(name) not in EMPTY_VALUES
        ]

    def applied(self) -> dict[str, object]:
        """Return what a filter came to beside its chip, such as the limits of a period, for a manifest."""
        return {}

    def _chip(self, name: str, field: forms.Field) -> Chip:
        value = self.form.cleaned_data[name]
        if isinstance(field, forms.MultipleChoiceField):
            labels = dict(_flat(field.choices))
            value = " or ".join(labels.get(each, each) for each in value)
        elif isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
            value = dict(_flat(field.choices)).get(self.data[name], value)
        operators = self.operators(name)
        operator = self.operator(name) if operators else ""
        opposite = OPPOSITE.get(operator, "")
        is_day = isinstance(field, forms.DateField)
        words = operators.get(operator, "" if is_day else "is")
        return Chip(name, str(field.label), words, str(value), opposite, operators.get(opposite, ""))


def _flat(choices: Any) -> Iterator[tuple[str, str]]:
    """Yield the choices of a menu, also those within groups."""
    for key, words in choices:
        if isinstance(words, list | tuple):
            yield from words
        else:
            yield key, words


def parameters_of(query: QueryDict, several: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the parameters of an address that have a value, each by its last one; those of `several` joined by commas.

    The last counts, because a button of a chip sends the form with one more: an empty one takes the filter away.
    """
    found = {name: str(values[-1]) for name, values in query.lists() if values and values[-1] != ""}
    for name in several & found.keys():
        found[name] = ",".join(dict.fromkeys(each for each in ",".join(query.getlist(name)).split(",") if each))
    return {name: value for name, value in found.items() if value}


def _condition(each: Any, value: Any, *, is_exact: bool) -> Q:
    """Return what a filter selects as a condition."""
    own = getattr(each, "condition", None)
    if own is not None:
        return cast("Q", own(value, is_exact=is_exact))
    return Q(**{f"{each.field_name}__{'folded_exact' if is_exact else each.lookup_expr}": value})
