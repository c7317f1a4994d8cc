"""The base class of a list's filters: those of django-filter, with what is the same for each request done once.

django-filter copies every filter and makes a class of form with all its fields anew for each request, and Django
renders each field, and each choice of a menu, by a template. To do both once saves 1 to 2 ms each of a page's 7 to 10
ms (docs/performance.md). So the filters of a class must not depend on the request; one that somebody may not use is
deleted from `self.filters`, which selects another class of form.
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
    """A form field whose HTML is kept for each value.

    It is written anew where the database says what may be chosen, and where something is wrong with the value.
    """

    _kept: ClassVar[dict[tuple[type[forms.BaseForm], str, str], SafeString]] = {}

    def as_widget(self, widget: Any = None, attrs: Any = None, only_initial: bool = False) -> SafeString:
        """Return the field as HTML."""
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
    """A FilterSet whose filters do not depend on the request."""

    _forms: ClassVar[dict[tuple[Any, ...], type[forms.Form]]] = {}

    def __init__(self, data: Any = None, queryset: Any = None, *, request: Any = None, prefix: str | None = None):
        self.is_bound = data is not None
        self.data = data or QueryDict()
        self.queryset, self.request, self.form_prefix = queryset, request, prefix
        self.filters = {name: self._own(each) for name, each in self.base_filters.items()}

    def _own(self, each: Any) -> Any:
        """Return a copy of the filter that belongs to this instance and shares all that was declared."""
        own = copy.copy(each)
        if each.method is not None:
            own.method = each.method  # bound to the filter that it was set on
        own.model, own.parent = self.queryset.model, self
        return own

    def get_form_class(self) -> type[forms.Form]:
        """Return the class of form for the filters that this instance has."""
        key = (type(self), *self.filters)
        found = self._forms.get(key)
        if found is None:
            fields = {name: each.field for name, each in self.filters.items()}
            base: type[forms.Form] = self._meta.form
            found = type(f"{type(self).__name__}Form", (base,), {**fields, "bound_field_class": KeptField})
            self._forms[key] = found
        return found
