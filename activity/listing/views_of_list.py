"""The saved views of one list, and which columns the person sees: those of a view, or their own."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from activity.compiled_query import CompiledQuery
from activity.listing.columns import Table
from activity.listing.links import PAGE_PARAMETERS
from activity.models import ListPreference
from activity.saved_views.flows import may_share, name_list
from activity.saved_views.models import SavedView
from activity.saved_views.seen import EVERYTHING, SeenView, opened_view, seen_by
from activity.viewer import viewer

PREFERRED = ("hidden", "widths", "order")


def _preference(user_id: int, table: str) -> QuerySet[ListPreference, Any]:
    return ListPreference.objects.filter(user_id=user_id, table=table).values_list(*PREFERRED)


_preferences = CompiledQuery(ListPreference, _preference, user_id=int, table=str)


class ViewsOfList:
    """What a list knows of saved views. `Listing` sets what it is about."""

    request: HttpRequest
    table: Table
    parameters: Mapping[str, str]

    @functools.cached_property
    def saved_view(self) -> SavedView | None:
        """Return the saved view that the address names; None also where it has the columns of another table."""
        view = opened_view(self.request) if "view" in self.parameters else None
        return view if view is not None and view.table == self.table.name else None

    @property
    def columns_key(self) -> str:
        """Return the name under which the columns are remembered: those of a view apart from those of the list."""
        return self.saved_view.columns_key if self.saved_view is not None else self.table.name

    @functools.cached_property
    def own_columns(self) -> ListPreference | None:
        """Return what this person changed of the columns of the list, or of the view."""
        if not self.request.user.is_authenticated:
            return None
        _, found = _preferences.rows(user_id=self.request.user.pk, table=self.columns_key)
        return ListPreference(**dict(zip(PREFERRED, found[0], strict=True))) if found else None

    @functools.cached_property
    def preference(self) -> ListPreference | None:
        """Return which columns this person sees of this list, how wide and in which order; None: the table says."""
        view = self.saved_view
        if self.own_columns is not None or view is None:
            return self.own_columns
        return ListPreference(**{name: getattr(view, name) for name in PREFERRED})

    @property
    def is_view_changed(self) -> bool:
        """Return whether the list shows something else than the view has saved."""
        if self.saved_view is None:
            return False
        now = {name: value for name, value in self.parameters.items() if name not in (*PAGE_PARAMETERS, "view")}
        saved = {name: value for name, value in self.saved_view.pairs if value}
        for shown in (now, saved):
            shown.setdefault("sort", self.table.default_sort)
        return now != saved or self.own_columns is not None

    @property
    def everything_url(self) -> str:
        """Return the address of the list without any view, also for who has a default."""
        return f"{self.request.path}?view={EVERYTHING}"

    @property
    def views(self) -> list[SeenView]:
        """Return the views of this list: the person's own, and those that others share."""
        return [view for view in seen_by(self.request) if view.path == self.request.path]

    @property
    def is_own_view(self) -> bool:
        """Return whether the list shows a view of this person, which they can update."""
        return self.saved_view is not None and self.saved_view.owner_id == self.request.user.pk

    @property
    def may_share_views(self) -> bool:
        """Return whether this person may share a view."""
        return may_share(viewer(self.request))

    @property
    def list_name(self) -> str:
        """Return what the form that saves a view says of this list."""
        return name_list(self.request.path, self.table.name, self.table.plain_nouns or self.table.nouns)
