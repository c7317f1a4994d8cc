"""Filters of a list: those of django-filter, with what is the same for each request done once.

django-filter copies all filters, makes a class of form and its fields anew, and Django writes each widget: a tenth of a
page's time. Here the class of form is made once for each set of filters, and a widget is written once for each value.
So the filters of a class must not depend on the request; a filter that somebody has not is deleted from
`self.filters`, which gives a class of form of its own. Knows no model.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import django_filters
from django import forms
from django.forms.boundfield import BoundField
from django.http import QueryDict
from django.utils.safestring import SafeString

MOST_KEPT = 1000  # widgets; values come from addresses, which strangers write
LONGEST_KEPT = 100  # characters of a value


class KeptField(BoundField):
    """A field whose widget is written once for each value. Not where the database says what may be chosen, nor where
    something is wrong with the value."""

    _kept: ClassVar[dict[tuple[type[forms.BaseForm], str, str], SafeString]] = {}

    def as_widget(self, widget: Any = None, attrs: Any = None, only_initial: bool = False) -> SafeString:
        """As Django's."""
        value = self.value()
        is_plain = value is None or (isinstance(value, str) and len(value) <= LONGEST_KEPT)
        is_other = widget is not None or attrs is not None or only_initial or self.errors
        if is_other or not is_plain or isinstance(self.field, forms.ModelChoiceField):
            return super().as_widget(widget, attrs, only_initial)
        key = (type(self.form), self.html_name, value or "")
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            found = self._kept[key] = super().as_widget()
        return found


class QuickFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """As django-filter's, for filters that do not depend on the request."""

    _forms: ClassVar[dict[tuple[Any, ...], type[forms.Form]]] = {}

    def __init__(self, data: Any = None, queryset: Any = None, *, request: Any = None, prefix: str | None = None):
        self.is_bound = data is not None
        self.data = data or QueryDict()
        self.queryset, self.request, self.form_prefix = queryset, request, prefix
        self.filters = {name: self._own(each) for name, each in self.base_filters.items()}

    def _own(self, each: Any) -> Any:
        """A filter that asks this instance, and shares what it was declared with."""
        own = copy.copy(each)
        if each.method is not None:
            own.method = each.method  # bound to the filter that it was set on
        own.model, own.parent = self.queryset.model, self
        return own

    def get_form_class(self) -> type[forms.Form]:
        """The class of form for the filters that this instance has."""
        key = (type(self), *self.filters)
        found = self._forms.get(key)
        if found is None:
            fields = {name: each.field for name, each in self.filters.items()}
            base: type[forms.Form] = self._meta.form
            found = type(f"{type(self).__name__}Form", (base,), {**fields, "bound_field_class": KeptField})
            self._forms[key] = found
        return found
