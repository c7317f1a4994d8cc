"""The administration's search knows upper and lower case, and one spelling of an accent, as the console's lists do."""

from __future__ import annotations

from django.http import HttpRequest

from sessions_app.admin.lookups import OfferedLookups


class FoldedSearch(OfferedLookups):
    """Looks for what is typed in each of `search_fields`, however either is written (activity/folding.py)."""

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """With the lookup that folds."""
        return [f"{field}__folded_contains" for field in super().get_search_fields(request)]
