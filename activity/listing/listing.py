"""One list as one URL asks for it: its parameters, its rows, and what the template shows."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.forms import BoundField
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from activity.listing.columns import Column, Table
from activity.listing.errors import MANY_TO_SORT, BadListRequest
from activity.listing.filterset import OF_TEXTS, Chip, KeptFilterSet, Operators, parameters_of
from activity.listing.go_to_date import cursor_of_day, page_from
from activity.listing.headings import Headings, headings
from activity.listing.keyset import Order, Page, is_by_time, read_page
from activity.listing.links import DOWNLOAD_PARAMETERS, PAGE_PARAMETERS, ListLinks
from activity.listing.markup import Rows
from activity.listing.text_search_page import find_page
from activity.listing.views_of_list import ViewsOfList
from activity.text_index import Search, Term, held_by, words_of
from activity.typed import Unreadable, refuse_unreadable_address, typed

COUNT_CAP = 10_000
FEW = 2_000  # up to so many rows are found first and then sorted; more are read in the order of an index
LIST_PARAMETERS = frozenset({"q", "sort", *PAGE_PARAMETERS, *DOWNLOAD_PARAMETERS, "view"})


@dataclasses.dataclass(frozen=True, slots=True)
class FilterField:
    """A field of the filters, and the menu before it: is, is not."""

    field: BoundField
    menu: str

    @property
    def looked_up(self) -> str:
        """Return the id of the datalist that is filled while somebody types; empty where there is none."""
        name = str(self.field.field.widget.attrs.get("list", ""))
        return name if name.endswith("-names") else ""


@functools.lru_cache(maxsize=256)
def _column_items(columns: tuple[tuple[str, str, bool], ...]) -> SafeString:
    """Return the columns (key, label, is shown) as HTML. Nearly everybody has the same; to write it takes 0.3 ms."""
    return render_to_string("activity/listing/_column_items.html", {"columns": columns})


class Listing(ListLinks, ViewsOfList):
    """A table over a queryset, as one request asks for it.

    `extra` names further parameters that the page itself reads and that links must keep, such as a tab. `counted`
    selects the same rows as `queryset` in a way that the database counts faster. Creating a listing raises
    BadListRequest if the URL asks for something that does not exist.
    """

    def __init__(
        self,
        request: HttpRequest,
        table: Table,
        queryset: QuerySet[Any],
        *,
        filterset: type[django_filters.FilterSet] | None = None,
        extra: tuple[str, ...] = (),
        counted: QuerySet[Any] | None = None,
    ) -> None:
        self.request = request
        self.table = table
        several = filterset.several if filterset is not None and issubclass(filterset, KeptFilterSet) else frozenset()
        self.parameters = parameters_of(request.GET, several)
        try:
            refuse_unreadable_address(request.GET)
            self.search = typed(request.GET, "q")
        except Unreadable as problem:
            raise BadListRequest(f"The address of this list was not understood. {problem}") from problem
        self.extra = extra
        self.filters = filterset(request.GET, queryset=queryset, request=request) if filterset is not None else None
        self._refuse_unknown_parameters()
        self.sort, self.order = self._read_sort()
        self.unsearched = self._filter(queryset)
        self.words = self._words()
        if self.words is not None and self.words.most_read:
            self._refuse_more_than(self.words.most_read)
        self._count_found: int | None = None  # known once the page was read
        self.queryset = self.words.applied(self.unsearched) if self.words is not None else self.unsearched
        self._counted = counted

    # --- reading the URL

    def _refuse_unknown_parameters(self) -> None:
        known = LIST_PARAMETERS | set(self.extra)
        if not self.table.search:
            known -= {"q"}
        if self.filters is not None:
            for name, field in self.filters.form.fields.items():
                suffixes = getattr(field.widget, "suffixes", None) or []
                known |= {name, *(f"{name}_{suffix}" for suffix in suffixes)}
                known |= {f"{name}_is"} if self._operators(name) else set()
        for name in self.parameters:
            if name not in known:
                raise BadListRequest(f"This list has no filter called “{name[:40]}”. Start again from the whole list.")

    def _read_sort(self) -> tuple[str, Order]:
        sort = self.parameters.get("sort", self.table.default_sort)
        column = self.table.column(sort.removeprefix("-"))
        if column is None or not column.order:
            raise BadListRequest(f"This list cannot be sorted by “{sort[:40]}”. Choose a column heading instead.")
        return sort, Order(column.order, sort.startswith("-"), is_of_few=column.sorts_few)

    def _filter(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.filters is None:
            return queryset
        for name in self.filters.form.fields:
            given = self.parameters.get(f"{name}_is", "")
            if given and given not in self._operators(name):
                raise BadListRequest(f"A filter cannot be “{given[:40]}”. Choose one of: {', '.join(OF_TEXTS)[2:]}.")
        if not self.filters.is_valid():
            label, messages = next(iter(self.filters.form.errors.items()))
            field = self.filters.form.fields.get(label)
            name = (field.label if field is not None else None) or label.replace("_", " ")
            if isinstance(field, forms.ModelChoiceField):
                raise BadListRequest(f"What the filter “{name}” asks for does not exist, or not any more.")
            raise BadListRequest(f"The filter “{name}” was not understood: {messages[0]}")
        filtered: QuerySet[Any] = self.filters.qs
        return filtered

    def _operators(self, name: str) -> Operators:
        return self.filters.operators(name) if isinstance(self.filters, KeptFilterSet) else {}

    def _words(self) -> Search | None:
        """Return what is searched for by the search box, or by a filter that looks for words."""
        if self.search and self.table.search:
            words = words_of(self.search)
            also = self.table.search_also(words)
            terms = [
                Term((word,), held_by(self.table.search, word) | also.get(word, Q()), also.get(word, Q()))
                for word in words
            ]
            return Search(tuple(terms), self.table.text_index)
        found: Search | None = getattr(self.filters, "words", None)
        return found

    def _refuse_more_than(self, most: int) -> None:
        """Raise BadListRequest if the other filters leave more rows than can be read one by one."""
        if self.unsearched.order_by().values("pk")[most : most + 1]:
            raise BadListRequest(
                f"The details are read one by one, at most {most:,}, and there are more {self.table.nouns}. Choose a "
                "shorter time period or another filter first, or search messages and names only."
            )

    # --- what the template shows

    @functools.cached_property
    def page(self) -> Page:
        """Return the rows that are shown, and the cursors to the pages beside them."""
        asked = self.parameters
        if "day" in asked:
            if not self.is_by_time:
                raise BadListRequest("Only a list that is sorted by a time has a page for a date.")
            return page_from(self._read, cursor_of_day(asked["day"], is_descending=self.order.is_descending))
        return self._read(after=asked.get("after", ""), before=asked.get("before", ""), last="last" in asked)

    def _read(self, *, after: str = "", before: str = "", last: bool = False) -> Page:
        size = self.table.page_size
        if self._indexed is not None:
            rows = self._as_shown(self.unsearched)
            found = find_page(rows, self._indexed, self.order, size, after=after, before=before, last=last)
            self._count_found = found.count
            return found.page
        count = self.count or 0
        if self.order.is_of_few and count > COUNT_CAP:
            raise BadListRequest(MANY_TO_SORT)
        rows = self._as_shown(self.queryset)
        is_few = count <= FEW or self.order.is_of_few
        return read_page(rows, self.order, size, after=after, before=before, last=last, is_few=is_few)

    @property
    def _indexed(self) -> Search | None:
        """Return the search where an index of words helps it, else None."""
        return self.words if self.words is not None and self.words.index is not None else None

    @property
    def is_by_time(self) -> bool:
        """Return whether the list is in the order of a time, so that a date leads to a page."""
        return is_by_time(self.queryset, self.order)

    def _as_shown(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return self.table.narrowed(rows, self.shown_columns, self.order.path)

    @functools.cached_property
    def shown_columns(self) -> list[Column]:
        """Return the columns that are not hidden."""
        hidden = self.preference.hidden if self.preference is not None else None
        if hidden is None:
            return [column for column in self.ordered_columns if not column.is_hidden]
        return [column for column in self.ordered_columns if column.key not in hidden]

    @property
    def ordered_columns(self) -> Sequence[Column]:
        """Return all columns, also the hidden ones, in the order that this person wants."""
        return self.table.columns if self.preference is None else self.table.ordered(self.preference.order)

    @property
    def rows(self) -> Rows:
        """Return the rows of the table as HTML, with what each of them refuses."""
        return Rows(self.table, self.shown_columns, self.page.rows, is_grouped=self.is_grouped)

    @property
    def is_grouped(self) -> bool:
        """Return whether the rows stand under the headings of their groups."""
        return bool(self.table.grouped_by) and self.sort.removeprefix("-") == self.table.grouped_by

    @property
    def ungrouped_url(self) -> str:
        """Return the address of this list in its ordinary order."""
        return self.url(sort=None)

    @property
    def has_cards(self) -> bool:
        """Return whether a narrow screen shows each row as a card."""
        return self.table.is_card(self.shown_columns)

    @property
    def headings(self) -> Headings:
        """Return the headings of the columns that are shown."""
        widths: Mapping[str, int] = self.preference.widths if self.preference is not None else {}
        return headings(self.table, self.shown_columns, widths, self.sort, self.url(sort=None))

    @functools.cached_property
    def count(self) -> int | None:
        """Return how many rows match, at most 10,000; None where a search did not have to count them."""
        if self._indexed is not None:
            return self._count_found if self.page else None
        rows = self._counted_rows(self._counted) if self._counted is not None else self.queryset
        return rows.order_by().values("pk")[: COUNT_CAP + 1].count()

    def _counted_rows(self, counted: QuerySet[Any]) -> QuerySet[Any]:
        rows = counted.using(self.queryset.db)
        if self.filters is not None:
            rows = self.filters.filter_queryset(rows)
        return self.words.applied(rows) if self.words is not None else rows

    @property
    def count_text(self) -> str:
        """Return in words how many rows match: "1 session", "10,000+ sessions", "More than 100 sessions"."""
        if self.count is None:
            return f"More than {self.table.page_size:,} {self.table.nouns}"
        if self.count > COUNT_CAP:
            return f"{COUNT_CAP:,}+ {self.table.nouns}"
        return f"{self.count:,} {self.table.noun if self.count == 1 else self.table.nouns}"

    @property
    def zone(self) -> str:
        """Return the name of the time zone in which times are shown."""
        return timezone.get_current_timezone_name()

    @property
    def is_narrowed(self) -> bool:
        """Return whether a search or a filter leaves rows out."""
        own = {"sort", "view", *PAGE_PARAMETERS, *self.extra}
        return any(name not in own and not name.endswith("_is") for name in self.parameters)

    @property
    def column_items(self) -> SafeString:
        """Return the columns as the menu Columns lists them, as HTML."""
        shown = {column.key for column in self.shown_columns}
        return _column_items(tuple((column.key, column.label, column.key in shown) for column in self.ordered_columns))

    @property
    def column_keys(self) -> str:
        """Return the key of each column, in order."""
        return " ".join([column.key for column in self.ordered_columns])

    @functools.cached_property
    def chips(self) -> list[Chip]:
        """Return the active filters."""
        return self.filters.chips if isinstance(self.filters, KeptFilterSet) else []

    @property
    def quick_filters(self) -> list[tuple[str, str, str, bool]]:
        """Return the filters of one click: name, the value that a click sends, words, and whether it is on."""
        quick = self.filters.quick if isinstance(self.filters, KeptFilterSet) else ()
        on = {name: self.parameters.get(name) == value for name, value, _ in quick}
        return [(name, "" if on[name] else value, words, on[name]) for name, value, words in quick]

    @property
    def filter_fields(self) -> list[FilterField]:
        """Return the fields of the filters, each with the menu of its operators as HTML."""
        if self.filters is None:
            return []
        menu = self.filters.operator_menu if isinstance(self.filters, KeptFilterSet) else lambda name: ""
        return [FilterField(field, menu(field.name)) for field in self.filters.form]

    @property
    def kept_parameters(self) -> list[tuple[str, str]]:
        """Return what the filter form sends as hidden fields: the order and the page's own parameters."""
        shown = self.filters.form.fields if self.filters is not None else ()
        names = [name for name in ("sort", "view", *self.extra) if name in self.parameters and name not in shown]
        return [(name, self.parameters[name]) for name in names]

    @property
    def alike(self) -> list[tuple[str, str]]:
        """Return the accounts that the name in the filter may mean when it means several, each with its own list."""
        return [(account.numbered, self.url(user=account.numbered)) for account in getattr(self.filters, "alike", ())]
