"""The base class of a list's filters: those of django-filter, with fields whose HTML is kept.

Django renders each field, and each choice of a menu, by a template, which takes 11 % of the log's page, 9 % of that of
sessions and 21 % of that of logins; Jinja2 would take half of it (docs/decisions/0019-rows-are-written-in-python.md).
So what a filter offers must not depend on the request; one that somebody may not use is deleted from `self.filters`.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

import django_filters
from django import forms
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeString

MOST_KEPT = 1000  # widgets; values come from addresses, which strangers write
LONGEST_KEPT = 100  # characters of a value


class KeptField(BoundField):
    """A form field whose HTML is kept for each value.

    It is written anew where the database says what may be chosen, and where something is wrong with the value.
    """

    _kept: ClassVar[dict[tuple[type, str, str], SafeString]] = {}

    def as_widget(self, widget: Any = None, attrs: Any = None, only_initial: bool = False) -> SafeString:
        """Return the field as HTML."""
        value = self.value()
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


class KeptFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """A FilterSet whose form keeps the HTML of its fields."""

    def get_form_class(self) -> type[forms.Form]:
        """Return the class of form of django-filter, with fields that are kept for this class of filters."""
        form: Any = super().get_form_class()
        form.bound_field_class = KeptField
        form.filterset_class = type(self)
        return cast("type[forms.Form]", form)
