"""What an address may filter a list of the administration by: what the list itself offers, and one object by its key.

Django takes any lookup of any field there and hands it to the database, which has limits of its own: numbers beyond 64
bits, years that no calendar has, regular expressions that do not compile.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.db import DataError
from django.db.models.fields.related import RelatedField
from django.http import HttpRequest

from activity.typed import Unreadable
from sessions_app.admin.finding import is_key

BY_KEY = frozenset({"pk", "pk__exact", "id", "id__exact"})


class OfferedLookups(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Filters by what `list_filter` links to, and by one key. Everything else in an address is a 400."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return whether the list's own links may hold it. Raises Unreadable where the list offers no such filter, and
        for what can be no key."""
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
            raise Unreadable("It filters by what can be the number of no object.")
        if lookup not in keys | others:
            raise Unreadable("This list offers no such filter.")  # what Django raises would be an alarm in the log
        return super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """As usual. Raises Unreadable for a value that only the database finds to be none."""
        try:
            return super().changelist_view(request, extra_context)
        except (DataError, OverflowError) as error:
            raise Unreadable("It filters by a value that no object has.") from error
