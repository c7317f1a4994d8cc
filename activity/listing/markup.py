"""Write the table of a list and the links to its other pages as HTML.

A page has a thousand small parts, which Python writes in about a third of the time that Django's template engine takes
(docs/performance.md). Every value is escaped unless it is a SafeString.
"""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.safestring import SafeString

from activity.listing.columns import Column, Row, Table, escaped, in_one_zone, is_special

NEWLINE = "\n"
Cells = Sequence[tuple[Callable[[Row], str], str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """One column as shown: its link to sort, and how wide it is."""

    column: Column
    width: int
    aria_sort: str  # ascending, descending, or empty
    sort_url: str


def grid(table: Table, save_url: str, headers: Sequence[Header], rows: Rows) -> SafeString:
    """Return the whole table. `save_url` is the address that stores the widths which somebody drags."""
    refusals = f' data-refusals="{escaped(rows.refusals)}"' if table.is_selectable else ""
    return SafeString(
        f'<table class="grid" data-table="{escaped(table.name)}" data-save="{escaped(save_url)}"{refusals}>\n'
        f"{head(headers, is_selectable=table.is_selectable)}\n<tbody>\n{rows.html}</tbody>\n</table>"
    )


def head(headers: Sequence[Header], *, is_selectable: bool) -> str:
    """Return the widths of the columns and their headings. The first column of a selectable table has checkboxes."""
    widths = "".join([f'<col width="{header.width:d}">' for header in headers])
    titles = NEWLINE.join([_heading(header) for header in headers])
    if is_selectable:
        widths = f'<col width="38">{widths}'
        box = '<input type="checkbox" class="needs-script" id="select-page" aria-label="Select all on this page">'
        titles = f'<th scope="col">{box}</th>\n{titles}'
    return f"<colgroup>{widths}<col></colgroup>\n<thead>\n<tr>\n{titles}\n</tr>\n</thead>"


def _heading(header: Header) -> str:
    key, url, label = escaped(header.column.key), escaped(header.sort_url), escaped(header.column.label)
    name = f'<span class="sort">{label}</span>'
    if url:
        name = f'<a class="sort" id="sort-{key}" href="{url}" hx-get="{url}">{label}</a>'
    order = f' aria-sort="{header.aria_sort}"' if header.aria_sort else ""
    css = ' class="number"' if header.column.is_number else ""
    return f'<th scope="col" data-column="{key}"{order}{css}>{name}</th>'


@dataclasses.dataclass(frozen=True, slots=True)
class Pages:
    """The addresses of the pages around the one that is shown; `previous` and `next` are empty where there is none."""

    first: str
    previous: str
    next: str
    last: str


def pager(pages: Pages, jump: str) -> SafeString:
    """Return links to the pages around, and `jump`, the form that leads to a date.

    Return nothing where this page is all there is.
    """
    if not (pages.previous or pages.next):
        return SafeString("")
    back = (("page-first", pages.first, "First", ""), ("page-previous", pages.previous, "Previous", ' rel="prev"'))
    on = (("page-next", pages.next, "Next", ' rel="next"'), ("page-last", pages.last, "Last", ""))
    links = (*_page_links(back, is_there=bool(pages.previous)), *_page_links(on, is_there=bool(pages.next)))
    return SafeString(f'<nav class="pager" aria-label="Pages">\n{NEWLINE.join(links)}\n{jump}</nav>')


def _page_links(links: Sequence[tuple[str, str, str, str]], *, is_there: bool) -> list[str]:
    if not is_there:
        return [f'<span aria-disabled="true">{label}</span>' for _, _, label, _ in links]
    return [
        f'<a href="{escaped(url)}" hx-get="{escaped(url)}" id="{key}"{more}>{label}</a>'
        for key, url, label, more in links
    ]


def jump_form(path: str, parameters: Mapping[str, str], day: str) -> str:
    """Return a field for a date, with everything else that the list is asked for in hidden fields."""
    hidden = [
        f'<input type="hidden" name="{escaped(name)}" value="{escaped(value)}">\n' for name, value in parameters.items()
    ]
    return (
        f'<form class="jump" id="jump" method="get" hx-get="{escaped(path)}">\n{"".join(hidden)}'
        '<label for="jump-day">Go to date</label>\n'
        f'<input type="date" id="jump-day" name="day" value="{escaped(day)}" required>\n'
        '<button class="button">Go</button>\n</form>\n'
    )


def choices(columns: Sequence[tuple[Column, bool]]) -> SafeString:
    """Return a checkbox for every column, ticked where it is shown."""
    boxes = [
        f'<label><input type="checkbox" name="shown" value="{escaped(column.key)}"{" checked" if is_shown else ""}>'
        f" {escaped(column.label)}</label>\n"
        for column, is_shown in columns
    ]
    return SafeString("".join(boxes))


class Rows:
    """The rows of one page as HTML, and what they refuse. Each row names its refusals by their place in `refusals`."""

    def __init__(self, table: Table, columns: Sequence[Column], rows: Sequence[Any]) -> None:
        self._table = table
        self._refusals: dict[tuple[tuple[str, str], ...], int] = {}
        cells = [(column.write, '<td class="number">' if column.is_number else "<td>") for column in columns]
        with in_one_zone():
            self.html = SafeString("".join([self._row(row, cells) for row in rows]))

    @property
    def refusals(self) -> str:
        """Return the different reasons why a row refuses an action, as JSON. Rows of one status share theirs."""
        return json.dumps([dict(answer) for answer in self._refusals], separators=(",", ":"))

    def _place(self, answer: Mapping[str, str]) -> int:
        return self._refusals.setdefault(tuple(answer.items()), len(self._refusals))

    def _row(self, row: Any, cells: Cells) -> str:
        table, pk = self._table, row.pk
        css = table.row_class(row)
        css = f' class="{escaped(css)}"' if css else ""
        parts = [f'<tr id="row-{pk}"{css}']
        if table.is_selectable:
            parts.append(
                f' data-refusals="{self._place(table.refusals(row))}"><td><input type="checkbox" name="ids" '
                f'value="{pk}" form="selection" aria-label="{escaped(table.row_name(row))}"></td>'
            )
        else:
            parts.append(">")
        for cell, start in cells:
            shown = cell(row)
            if type(shown) is not SafeString and is_special(shown):
                shown = html.escape(shown)
            parts += (start, shown, "</td>")
        parts.append("</tr>\n")
        return "".join(parts)
