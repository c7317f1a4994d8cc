"""The saved views that one request needs: those of its list, the person's default and their favourites, by one query.

The query is compiled, because every full page asks it (activity/compiled_query.py). Parts of pages ask nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from django.db.models import Exists, FilteredRelation, OuterRef, Q, QuerySet
from django.http import HttpRequest

from activity.compiled_query import CompiledQuery
from activity.saved_views.models import SavedView, ViewMark, address_of
from activity.typed import typed
from activity.viewer import viewer

EVERYTHING = "all"  # as ?view=: the list as it is without any view, also for who has a default
MOST_SEEN = 200
FIELDS = (
    "pk",
    "name",
    "path",
    "query",
    "owner_id",
    "owner__username",
    "is_shared",
    "mark__is_default",
    "mark__place",
)


@dataclasses.dataclass(frozen=True, slots=True)
class SeenView:
    """A saved view as a menu or the navigation shows it."""

    pk: int
    name: str
    path: str
    query: str
    owner_id: int
    owner_name: str
    is_shared: bool
    is_marked_default: bool | None
    place: int | None

    @property
    def is_default(self) -> bool:
        """Return whether the person's list opens with it."""
        return bool(self.is_marked_default)

    @property
    def is_favourite(self) -> bool:
        """Return whether it stands in the person's navigation."""
        return self.place is not None

    @property
    def address(self) -> str:
        """Return the address of the list with this view."""
        return address_of(self.pk, self.path, self.query)


def _rows(user_id: int, path: str) -> QuerySet[SavedView, Any]:
    mark = FilteredRelation("marks", condition=Q(marks__user_id=user_id))
    seen = SavedView.objects.filter(Q(owner_id=user_id) | Q(is_shared=True)).annotate(mark=mark)
    seen = seen.filter(Q(path=path) | Q(mark__place__isnull=False))
    return seen.order_by("name", "pk").values_list(*FIELDS)[:MOST_SEEN]


_seen = CompiledQuery(SavedView, _rows, user_id=int, path=str)


def seen_by(request: HttpRequest) -> list[SeenView]:
    """Return the views of the list at this address, and the person's favourites. Each request asks once."""
    found: list[SeenView] | None = getattr(request, "_seen_views", None)
    if found is None:
        _, rows = _seen.rows(user_id=request.user.pk, path=request.path) if request.user.is_authenticated else ("", [])
        found = [SeenView(*row) for row in rows]
        request._seen_views = found  # type: ignore[attr-defined]  # kept for the rest of this request
    return found


def favourites(request: HttpRequest) -> list[SeenView]:
    """Return the person's favourites in their own order."""
    return sorted((each for each in seen_by(request) if each.place is not None), key=lambda each: each.place or 0)


def default_of(request: HttpRequest) -> SeenView | None:
    """Return the view with which this list opens for the person; None where they chose none."""
    return next((each for each in seen_by(request) if each.is_default and each.path == request.path), None)


def opened_view(request: HttpRequest) -> SavedView | None:
    """Return the view that the address names; None where it names none, or one that the person cannot see (any more).

    The filters stand in the address too, so that the list shows the same without the view, with the person's columns.
    """
    asked = typed(request.GET, "view")
    if not (request.user.is_authenticated and asked.isascii() and asked.isdigit() and len(asked) < 19):
        return None
    mine = ViewMark.objects.filter(view=OuterRef("pk"), user_id=viewer(request).pk, is_default=True)
    found = SavedView.objects.visible_to(request.user).filter(pk=int(asked), path=request.path)
    return found.select_related("owner").annotate(is_default=Exists(mine)).first()
