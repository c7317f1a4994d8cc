"""Autocomplete fields of the administration that accept only values which can be primary keys.

Django shows a refused form again with the values that were sent, and looks each of them up as a primary key. A value
that is no number, or a number with more than 64 bits, would make the database raise an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.widgets import AutocompleteMixin, AutocompleteSelect, AutocompleteSelectMultiple
from django.http import HttpRequest

LONGEST_KEY = 18  # digits: such a number fits into 64 bits


def is_key(text: object) -> bool:
    """Return whether `text` can be a primary key. The empty string means that no object is chosen, and is allowed."""
    shown = str(text)
    return not shown or (shown.isascii() and shown.isdigit() and len(shown) <= LONGEST_KEY)


class _KeysOnlyMixin(AutocompleteMixin):
    def optgroups(self, name: str, value: Sequence[str], attrs: Any = None) -> Any:
        """Return the chosen options as Django does, without the values that cannot be keys."""
        return super().optgroups(name, [each for each in value if is_key(each)], attrs)


class AutocompleteOne(_KeysOnlyMixin, AutocompleteSelect):
    """An autocomplete field for one object."""


class AutocompleteMany(_KeysOnlyMixin, AutocompleteSelectMultiple):
    """An autocomplete field for several objects."""


class MultipleKeysField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """Several objects by their primary keys. Refuses numbers with more than 64 bits, for which SQLite raises errors."""

    def clean(self, value: Any) -> Any:
        """Return the chosen objects as Django does. Raise ValidationError for a value that cannot be a key."""
        wrong = [each for each in value or [] if not is_key(each)] if isinstance(value, list | tuple) else []
        if wrong:
            raise forms.ValidationError(self.error_messages["invalid_pk_value"], "invalid_pk_value", {"pk": wrong[0]})
        return super().clean(value)


class KeyAutocomplete(BaseModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """An admin class whose `autocomplete_fields` use the widgets of this module."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field for a foreign key, with the widget for one object if it is an autocomplete field."""
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", AutocompleteOne(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field for several objects, with their widget if it is an autocomplete field."""
        kwargs.setdefault("form_class", MultipleKeysField)
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", AutocompleteMany(db_field, self.admin_site))
        return super().formfield_for_manytomany(db_field, request, **kwargs)
