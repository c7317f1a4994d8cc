"""Finds one page of the rows that contain some words, in any order of the list, without reading all rows.

1. Read the next NEAR rows of the list and test each. This finds common words.
2. Look the words up in the index of words, and sort what is found. This finds rare words. It stops if there are more
   than MOST_FOUND rows.
3. Read the next FAR rows of the list and test each.
4. If that was not enough, look the words up in the index without a limit. This is the slowest case.

Words that are too short for the index can only be found by reading. If that is not enough, the person is told so.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import F, Q, QuerySet

from activity.listing.errors import MANY_TO_SORT, BadListRequest
from activity.listing.keyset import (
    Order,
    Page,
    compared_to_cursor,
    cursor_of,
    narrowed,
    page_of,
    parts_of,
    read_part,
    within,
)
from activity.text_index import Search

NEAR, SHORT, FAR = 5_000, 50_000, 200_000  # so many rows of the list are read and tested
MOST_FOUND = 10_000  # the look-up sorts so many rows at most
TOO_SHORT = (
    "Short words can be searched only in a short list, and this list is long. Search for a word with three letters or "
    "more, or narrow the list down first."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A page, and the number of all rows if it is known."""

    page: Page
    count: int | None


def find_page(
    queryset: QuerySet[Any], search: Search, order: Order, size: int, *, after: str = "", before: str = "", last: bool
) -> Found:
    """Return a page of `size` rows of `queryset` that contain the words.

    It comes after or before a cursor, or it is the first or the last page. Raise BadListRequest for a cursor that this
    list did not make, and for words that are too short to be found.
    """
    seek = _Seek(queryset, search, order, size, is_backward=bool(before) or last, cursor=after or before)
    rows, count = seek.run()
    page = page_of(rows, order, size, has_before=bool(after), has_after=bool(before), is_backward=seek.is_backward)
    if after or before:
        count = None
    elif not page.next and not page.previous:
        count = len(page.rows)
    elif count is None and not queryset.order_by().values("pk")[NEAR : NEAR + 1]:
        count = queryset.filter(search.exact()).count()
    return Found(page, count)


class _Seek:
    """Finds the rows of a page and one more, in reading direction."""

    def __init__(
        self, queryset: QuerySet[Any], search: Search, order: Order, size: int, *, is_backward: bool, cursor: str
    ) -> None:
        self.queryset, self.search, self.order, self.wanted = queryset, search, order, size + 1
        self.is_backward = is_backward
        self.is_descending = order.is_descending != is_backward
        self.parts = parts_of(queryset, order, cursor_of(queryset, order, cursor), is_backward)

    def run(self) -> tuple[list[Any], int | None]:
        """Return the rows, and the number of all rows from the cursor on if it is known."""
        if self.order.is_of_few:
            rows, count = self._looked_up(MOST_FOUND)
            if count is None:
                raise BadListRequest(MANY_TO_SORT)
            return rows, count
        if (found := self._scan(NEAR)) is not None:
            return found, None
        if not self.search.is_indexed(self.queryset.db):
            if (found := self._scan(SHORT if self.search.has_index(self.queryset.db) else None)) is not None:
                return found, None
            raise BadListRequest(TOO_SHORT)
        rows, count = self._looked_up(MOST_FOUND)
        if count is not None:
            return rows, count
        if (found := self._scan(FAR)) is not None:
            return found, None
        return self._looked_up(None)

    def _scan(self, reach: int | None) -> list[Any] | None:
        """Test the next `reach` rows. Return those that match, or None if they fill no page and the list goes on."""
        rows: list[Any] = []
        has_alternatives = bool(
            getattr(self.queryset, "alternatives", ())
        )  # few rows, and no edge that is quickly found
        if has_alternatives and reach == NEAR:
            return None
        for part, path in self.parts:
            by = within(self.queryset, path, self.is_descending)
            newest = narrowed(self.queryset, part)
            edge = None
            if reach is not None and not has_alternatives:
                edge = newest.order_by(*by).values_list(path, "pk")[reach : reach + 1].first()
            if edge is not None:
                sign = ">=" if self.is_descending else "<="
                newest = narrowed(newest, compared_to_cursor(self.queryset, path, edge, sign))
            newest = newest.filter(self.search.exact())
            rows += read_part(self.queryset, newest, by, self.wanted - len(rows))
            if len(rows) == self.wanted:
                return rows
            if edge is not None:
                return None
        return rows

    def _looked_up(self, most: int | None) -> tuple[list[Any], int | None]:
        """Look up the words in the index. Return the rows and their number, or no rows and None above `most`."""
        if not self.parts:
            return [], 0
        hits = self.queryset.filter(functools.reduce(operator.or_, (part for part, _ in self.parts), Q()))
        hits = self.search.applied(hits).order_by().annotate(listing_key=F(self.order.path), listing_id=F("pk"))
        hits = hits.values_list("listing_key", "listing_id")
        try:
            sql, parameters = (hits if most is None else hits[: most + 1]).query.get_compiler(hits.db).as_sql()
        except EmptyResultSet:
            return [], 0
        way, nulls = ("DESC" if self.is_descending else "ASC"), ("DESC" if self.is_backward else "ASC")
        with connections[hits.db].cursor() as cursor:
            cursor.execute(
                f"SELECT listing_id, COUNT(*) OVER () FROM ({sql}) AS hits "  # noqa: S608 - written by Django
                f"ORDER BY listing_key IS NULL {nulls}, listing_key {way}, listing_id {way} LIMIT {self.wanted}",
                parameters,
            )
            found = cursor.fetchall()
        count = found[0][1] if found else 0
        if most is not None and count > most:
            return [], None
        rows = {row.pk: row for row in self.queryset.filter(pk__in=[pk for pk, _ in found])}
        return [rows[pk] for pk, _ in found if pk in rows], count
