"""One list as asked for by one URL: reads the parameters, applies them, and holds what the template shows."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import django_filters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from activity.listing.columns import Column, Table, escaped
from activity.listing.errors import MANY_TO_SORT, BadListRequest
from activity.listing.finding import find_page
from activity.listing.jump import cursor_of_day, page_from
from activity.listing.keyset import Order, Page, is_by_time, read_page
from activity.models import ListPreference
from activity.words import Search, Term, held_by, words_of

COUNT_CAP = 10_000
FEW = 2_000  # rows are found and then sorted; more are read in the order of an index
LIST_PARAMETERS = frozenset({"q", "sort", "after", "before", "last", "day", "csv"})
PAGE_PARAMETERS = ("after", "before", "last", "day")
LONGEST_SEARCH = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """One column as shown: its link to sort, and how wide it is."""

    column: Column
    width: int
    aria_sort: str  # ascending, descending, or empty
    sort_url: str


class Listing:
    """A table over a queryset, as one request asks for it.

    `extra` names further parameters that the page itself reads and that links must keep (a tab, say).
    Raises BadListRequest where the URL asks for what is not there.
    """

    def __init__(
        self,
        request: HttpRequest,
        table: Table,
        queryset: QuerySet[Any],
        *,
        filterset: type[django_filters.FilterSet] | None = None,
        extra: tuple[str, ...] = (),
        has_csv: bool = False,
    ) -> None:
        self.request = request
        self.table = table
        self.parameters = {key: str(value) for key, value in request.GET.items() if value != ""}
        for value in self.parameters.values():
            if "\x00" in value:
                raise BadListRequest("The address of this list holds a character that no list knows.")
        self.extra = extra
        self.has_csv = has_csv
        self.filters = filterset(request.GET, queryset=queryset, request=request) if filterset is not None else None
        self._refuse_unknown_parameters()
        self.search = self.parameters.get("q", "")[:LONGEST_SEARCH].strip()
        self.sort, self.order = self._read_sort()
        self.unsearched = self._filter(queryset)
        self.words = self._words()
        self._count_found: int | None = None  # known once the page was read
        self.queryset = self.words.applied(self.unsearched) if self.words is not None else self.unsearched

    # --- reading the URL

    def _refuse_unknown_parameters(self) -> None:
        known = LIST_PARAMETERS | set(self.extra)
        known -= {name for name, is_there in (("q", self.table.search), ("csv", self.has_csv)) if not is_there}
        if self.filters is not None:
            for name, field in self.filters.form.fields.items():
                suffixes = getattr(field.widget, "suffixes", None) or []
                known |= {name, *(f"{name}_{suffix}" for suffix in suffixes)}
        for name in self.parameters:
            if name not in known:
                raise BadListRequest(f"This list has no filter called “{name[:40]}”. Start again from the whole list.")

    def _read_sort(self) -> tuple[str, Order]:
        sort = self.parameters.get("sort", self.table.default_sort)
        column = self.table.column(sort.removeprefix("-"))
        if column is None or not column.sort:
            raise BadListRequest(f"This list cannot be sorted by “{sort[:40]}”. Choose a column heading instead.")
        return sort, Order(column.sort, sort.startswith("-"), is_of_few=column.sorts_few)

    def _filter(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.filters is None:
            return queryset
        if not self.filters.is_valid():
            label, messages = next(iter(self.filters.form.errors.items()))
            field = self.filters.form.fields.get(label)
            name = (field.label if field is not None else None) or label.replace("_", " ")
            raise BadListRequest(f"The filter “{name}” was not understood: {messages[0]}")
        filtered: QuerySet[Any] = self.filters.qs
        return filtered

    def _words(self) -> Search | None:
        """What is searched for: by the search box, or by a filter that looks for words."""
        if self.search and self.table.search:
            terms = [Term((word,), held_by(self.table.search, word)) for word in words_of(self.search)]
            return Search(tuple(terms), self.table.text_index)
        found: Search | None = getattr(self.filters, "words", None)
        return found

    # --- what the template shows

    @functools.cached_property
    def page(self) -> Page:
        """The rows asked for, and the cursors beside them."""
        asked = self.parameters
        if "day" in asked:
            if not self.is_by_time:
                raise BadListRequest("Only a list that is sorted by a time has a page for a date.")
            return page_from(self._read, cursor_of_day(asked["day"], is_descending=self.order.is_descending))
        return self._read(after=asked.get("after", ""), before=asked.get("before", ""), last="last" in asked)

    def _read(self, *, after: str = "", before: str = "", last: bool = False) -> Page:
        size = self.table.page_size
        if self._indexed is not None:
            rows = self.with_related(self.unsearched, self.shown_columns)
            found = find_page(rows, self._indexed, self.order, size, after=after, before=before, last=last)
            self._count_found = found.count
            return found.page
        count = self.count or 0
        if self.order.is_of_few and count > COUNT_CAP:
            raise BadListRequest(MANY_TO_SORT)
        rows = self.with_related(self.queryset, self.shown_columns)
        is_few = count <= FEW or self.order.is_of_few
        return read_page(rows, self.order, size, after=after, before=before, last=last, is_few=is_few)

    @property
    def _indexed(self) -> Search | None:
        """The search, where an index of words helps it."""
        return self.words if self.words is not None and self.words.index is not None else None

    @property
    def is_by_time(self) -> bool:
        """Whether the list stands in the order of a time, so that a date has its page."""
        return is_by_time(self.queryset, self.order)

    @staticmethod
    def with_related(rows: QuerySet[Any], columns: Iterable[Column]) -> QuerySet[Any]:
        """The rows with the neighbours that these columns read."""
        return rows.prefetch_related(*sorted({column.related for column in columns if column.related}))

    @functools.cached_property
    def preference(self) -> ListPreference | None:
        """What this person wants to see of this list."""
        if not self.request.user.is_authenticated:
            return None
        return ListPreference.objects.filter(user_id=self.request.user.pk, table=self.table.name).first()

    @functools.cached_property
    def shown_columns(self) -> list[Column]:
        """The columns that are not hidden."""
        hidden = self.preference.hidden if self.preference is not None else None
        if hidden is None:
            return [column for column in self.table.columns if not column.is_hidden]
        return [column for column in self.table.columns if column.key not in hidden]

    def headers(self) -> Iterator[Header]:
        """The shown columns with their links."""
        widths: Mapping[str, int] = self.preference.widths if self.preference is not None else {}
        key = self.sort.removeprefix("-")
        for column in self.shown_columns:
            is_sorted = column.key == key
            is_ascending = is_sorted and not self.sort.startswith("-")
            yield Header(
                column,
                widths.get(column.key, column.width),
                ("ascending" if is_ascending else "descending") if is_sorted else "",
                self.url(sort=f"-{column.key}" if is_ascending else column.key) if column.sort else "",
            )

    @functools.cached_property
    def rows(self) -> SafeString:
        """The rows of this page as finished HTML: hundreds of cells cost too much one by one in a template.

        Each row names its refusals by their place in `refusals`, unless they are the first. The next cell ends the one
        before, and words without spaces need no quotes (HTML, "Optional tags", "Unquoted attribute values").
        """
        columns = [(column.cell, "<td class=number>" if column.is_number else "<td>") for column in self.shown_columns]
        return SafeString("".join([self._row(row, columns) for row in self.page.rows]))

    def _row(self, row: Any, columns: list[tuple[Callable[[Any], str], str]]) -> str:
        table = self.table
        css = table.row_class(row)
        parts = [f'<tr id="row-{row.pk}" class="{escaped(css)}"' if css else f'<tr id="row-{row.pk}"']
        if table.is_selectable:
            kind = self._kind_of_refusals(table.refusals(row))
            parts.append(
                f"{f' data-refusals={kind}' if kind else ''}><td><input type=checkbox name=ids value={row.pk} "
                f'form=selection aria-label="Select {escaped(table.row_name(row))}">'
            )
        else:
            parts.append(">")
        for cell, start in columns:
            shown = cell(row)
            parts.append(start + (shown if type(shown) is SafeString else escaped(shown)))
        parts.append("</tr>\n")
        return "".join(parts)

    @functools.cached_property
    def _kinds_of_refusals(self) -> dict[tuple[tuple[str, str], ...], int]:
        return {}

    def _kind_of_refusals(self, refusals: Mapping[str, str]) -> int:
        return self._kinds_of_refusals.setdefault(tuple(refusals.items()), len(self._kinds_of_refusals))

    @property
    def refusals(self) -> str:
        """JSON: the different answers to what a row of this page does not allow; rows of one status share theirs."""
        return json.dumps([dict(kind) for kind in self._kinds_of_refusals] if self.rows else [], separators=(",", ":"))

    @functools.cached_property
    def count(self) -> int | None:
        """How many rows match; counting stops after 10,000. None where a search did not have to count them."""
        if self._indexed is not None:
            return self._count_found if self.page else None
        return self.queryset.order_by().values("pk")[: COUNT_CAP + 1].count()

    @property
    def count_text(self) -> str:
        """How many rows match, as people read it: "1 session", "10,000+ sessions", "More than 100 sessions"."""
        if self.count is None:
            return f"More than {self.table.page_size:,} {self.table.nouns}"
        if self.count > COUNT_CAP:
            return f"{COUNT_CAP:,}+ {self.table.nouns}"
        return f"{self.count:,} {self.table.noun if self.count == 1 else self.table.nouns}"

    @property
    def is_narrowed(self) -> bool:
        """Whether a search or a filter leaves rows out."""
        own = {"sort", *PAGE_PARAMETERS, *self.extra}
        return any(name not in own for name in self.parameters)

    @property
    def column_choices(self) -> list[tuple[Column, bool]]:
        """Every column, and whether it is shown."""
        shown = {column.key for column in self.shown_columns}
        return [(column, column.key in shown) for column in self.table.columns]

    @property
    def kept_parameters(self) -> list[tuple[str, str]]:
        """What the filter form carries along unseen: the order and the page's own parameters."""
        shown = self.filters.form.fields if self.filters is not None else ()
        names = [name for name in ("sort", *self.extra) if name in self.parameters and name not in shown]
        return [(name, self.parameters[name]) for name in names]

    # --- links

    @property
    def whole_parameters(self) -> dict[str, str]:
        """What this list is, whichever page of it is shown."""
        return {name: value for name, value in self.parameters.items() if name not in (*PAGE_PARAMETERS, "csv")}

    def url(self, **changes: str | None) -> str:
        """This list's address with `changes`; a change of order leaves the page, None takes a parameter away."""
        parameters = self.whole_parameters
        for name, value in changes.items():
            if value is None:
                parameters.pop(name, None)
            else:
                parameters[name] = value
        return f"{self.request.path}?{urlencode(parameters)}"

    @property
    def here_url(self) -> str:
        """This very page of the list."""
        parameters = {name: value for name, value in self.parameters.items() if name != "csv"}
        return f"{self.request.path}?{urlencode(parameters)}"

    @property
    def all_url(self) -> str:
        """The list without search and filters."""
        kept = {name: self.parameters[name] for name in self.extra if name in self.parameters}
        return f"{self.request.path}?{urlencode(kept)}"

    @property
    def first_url(self) -> str:
        """The first page."""
        return self.url()

    @property
    def previous_url(self) -> str:
        """The page before, empty on the first."""
        return self.url(before=self.page.previous) if self.page.previous else ""

    @property
    def next_url(self) -> str:
        """The page after, empty on the last."""
        return self.url(after=self.page.next) if self.page.next else ""

    @property
    def last_url(self) -> str:
        """The last page."""
        return self.url(last="1")

    @property
    def csv_url(self) -> str:
        """The download of exactly what is filtered."""
        return self.url(csv="1")
