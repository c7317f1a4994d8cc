"""Fields of the administration that are filled in while somebody types, whatever somebody else sends for them.

Django shows a refused form again with what was sent, and asks the database for it as for the keys of objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.widgets import AutocompleteMixin, AutocompleteSelect, AutocompleteSelectMultiple
from django.http import HttpRequest

LONGEST_KEY = 18  # digits, which every database takes


def is_key(text: object) -> bool:
    """Return whether it may be the key of an object; "" is none."""
    shown = str(text)
    return not shown or (shown.isascii() and shown.isdigit() and len(shown) <= LONGEST_KEY)


class _KeysOnly(AutocompleteMixin):
    def optgroups(self, name: str, value: Sequence[str], attrs: Any = None) -> Any:
        """As Django's, for what can be keys."""
        return super().optgroups(name, [each for each in value if is_key(each)], attrs)


class OneFound(_KeysOnly, AutocompleteSelect):
    """One object."""


class ManyFound(_KeysOnly, AutocompleteSelectMultiple):
    """Some of them."""


class ManyKeys(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """Some objects by their keys; SQLite is asked for no number beyond 64 bits."""

    def clean(self, value: Any) -> Any:
        """As Django's. Raises ValidationError for what can be no key."""
        wrong = [each for each in value or [] if not is_key(each)] if isinstance(value, list | tuple) else []
        if wrong:
            raise forms.ValidationError(self.error_messages["invalid_pk_value"], "invalid_pk_value", {"pk": wrong[0]})
        return super().clean(value)


class FindsByKey(BaseModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Gives the fields of `autocomplete_fields` these widgets."""

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """With the widget for one object."""
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", OneFound(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """With the field and the widget for many."""
        kwargs.setdefault("form_class", ManyKeys)
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", ManyFound(db_field, self.admin_site))
        return super().formfield_for_manytomany(db_field, request, **kwargs)
