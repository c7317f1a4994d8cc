"""Limits the filters in the address of an administration list to those that the list itself offers.

Django accepts any lookup of any field in the address and passes it to the database. The database then raises errors for
numbers with more than 64 bits, impossible years and wrong regular expressions.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.db import DataError
from django.db.models.fields.related import RelatedField
from django.http import HttpRequest

from activity.typed import Unreadable
from sessions_app.admin.autocomplete import is_key

BY_KEY = frozenset({"pk", "pk__exact", "id", "id__exact"})


class OfferedLookupsOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """An admin class that answers 400 for filters other than those of `list_filter` and the primary key."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return whether Django allows the lookup.

        Raise Unreadable if the list does not offer it, or if `value` cannot be a key.
        """
        names = self.get_list_filter(request) if request is not None else self.list_filter
        keys, others = set(BY_KEY), set[str]()
        for name in map(str, names):
            field = get_fields_from_path(self.model, name)[-1]
            others |= {f"{name}__isnull"}
            if isinstance(field, RelatedField):
                keys.add(f"{name}__{field.target_field.name}__exact")
            else:
                others |= {name, f"{name}__exact"}
        if lookup in keys and not is_key(value):
            raise Unreadable("The filter needs the number of an object.")
        if lookup not in keys | others:
            raise Unreadable("This list offers no such filter.")  # what Django raises would be logged as an attack
        return super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list. Raise Unreadable if the database refuses the value of a filter."""
        try:
            return super().changelist_view(request, extra_context)
        except (DataError, OverflowError) as error:
            raise Unreadable("The filter has a value that the database does not accept.") from error
