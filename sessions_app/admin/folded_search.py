"""Search of the administration that ignores case and accents, as the search of the console's lists does."""

from __future__ import annotations

from django.http import HttpRequest

from sessions_app.admin.lookups import OfferedLookupsOnly


class FoldedSearch(OfferedLookupsOnly):
    """An admin class whose search ignores case and accents in each of `search_fields` (activity/folding.py)."""

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return `search_fields` with the lookup that ignores case and accents."""
        return [f"{field}__folded_contains" for field in super().get_search_fields(request)]
