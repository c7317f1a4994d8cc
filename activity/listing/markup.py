"""Writes the table of a list and what leads to its other pages as HTML: hundreds of cells, and dozens of small parts,
cost too much one by one in a template.

What HTML lets one leave out is left out: the end of a cell, of a row, and quotes around single words (HTML, "Optional
tags", "Unquoted attribute values"). Knows tables and columns, no model and no request.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.safestring import SafeString

from activity.listing.columns import Column, Row, Table, attribute, escaped, in_one_zone, is_special

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
    """The whole table. `save_url` takes the widths that somebody drags."""
    refusals = f" data-refusals='{rows.refusals}'" if table.is_selectable else ""
    return SafeString(
        f'<table class=grid{refusals} data-table={attribute(table.name)} data-save="{escaped(save_url)}">\n'
        f"{head(headers, is_selectable=table.is_selectable)}\n<tbody>\n{rows.html}</table>"
    )


def head(headers: Sequence[Header], *, is_selectable: bool) -> str:
    """The widths of the columns and their headings, the first of them for the checkboxes."""
    widths = "".join([f"<col width={header.width:d}>" for header in headers])
    titles = "\n".join([_heading(header) for header in headers])
    if is_selectable:
        widths = f"<col width=38>{widths}"
        all_of_them = 'class=needs-script id=select-page aria-label="Select all on this page"'
        titles = f"<th scope=col><input type=checkbox {all_of_them}></th>\n{titles}"
    return f"<colgroup>{widths}<col></colgroup>\n<thead><tr>\n{titles}\n</tr></thead>"


def _heading(header: Header) -> str:
    key, url = attribute(header.column.key), escaped(header.sort_url)
    label = escaped(header.column.label)
    name = f'<a class=sort id=sort-{key} href="{url}" hx-get="{url}">{label}</a>' if url else ""
    order = f" aria-sort={header.aria_sort}" if header.aria_sort else ""
    css = " class=number" if header.column.is_number else ""
    return f"<th scope=col data-column={key}{order}{css}>{name or f'<span class=sort>{label}</span>'}</th>"


@dataclasses.dataclass(frozen=True, slots=True)
class Pages:
    """The addresses of the pages around the one that is shown; `previous` and `next` are empty where there is none."""

    first: str
    previous: str
    next: str
    last: str


def pager(pages: Pages, jump: str) -> SafeString:
    """Links to the pages around, and `jump`, the form that leads to a date. Nothing where this page is all there is."""
    if not (pages.previous or pages.next):
        return SafeString("")
    back = (("page-first", pages.first, "First", ""), ("page-previous", pages.previous, "Previous", " rel=prev"))
    on = (("page-next", pages.next, "Next", " rel=next"), ("page-last", pages.last, "Last", ""))
    links = (*_ways(back, is_there=bool(pages.previous)), *_ways(on, is_there=bool(pages.next)))
    return SafeString(f'<nav class=pager aria-label="Pages">\n{NEWLINE.join(links)}\n{jump}</nav>')


def _ways(ways: Sequence[tuple[str, str, str, str]], *, is_there: bool) -> list[str]:
    if not is_there:
        return [f"<span aria-disabled=true>{label}</span>" for _, _, label, _ in ways]
    return [
        f'<a href="{escaped(url)}" hx-get="{escaped(url)}" id="{key}"{more}>{label}</a>'
        for key, url, label, more in ways
    ]


def jump_form(path: str, parameters: Mapping[str, str], day: str) -> str:
    """A field for a date, and everything that the list is asked for besides."""
    hidden = [
        f'<input type=hidden name="{escaped(name)}" value="{escaped(value)}">' for name, value in parameters.items()
    ]
    field = f'<input type=date id=jump-day name=day value="{escaped(day)}" required>'
    return (
        f'<form class=jump id=jump method=get hx-get="{escaped(path)}">{"".join(hidden)}'
        f"<label for=jump-day>Go to date</label>{field}<button class=button>Go</button></form>"
    )


def choices(columns: Sequence[tuple[Column, bool]]) -> SafeString:
    """A checkbox for every column, ticked where it is shown."""
    boxes = [
        f"<label><input type=checkbox name=shown value={attribute(column.key)}{' checked' if is_shown else ''}>"
        f" {escaped(column.label)}</label>\n"
        for column, is_shown in columns
    ]
    return SafeString("".join(boxes))


@functools.lru_cache(maxsize=100)
def _numbers_below(path: str) -> re.Pattern[str]:
    """What a link to a number right below `path` begins with."""
    return re.compile(rf"<a href={re.escape(path)}(?=\d)")


class Rows:
    """The rows of one page. Each names what it refuses by the place in `refusals`, unless that is the first.

    `path` is that of the page, with which a row's own page often begins: /sessions/12/ is written as 12/.
    """

    def __init__(self, table: Table, columns: Sequence[Column], rows: Sequence[Any], path: str) -> None:
        self._table = table
        self._kinds: dict[tuple[tuple[str, str], ...], int] = {}
        self._answers: dict[int, tuple[Mapping[str, str], int]] = {}  # by identity: most rows share theirs
        cells = [(column.cell, "<td class=number>" if column.is_number else "<td>") for column in columns]
        with in_one_zone():
            written = "".join([self._row(row, cells) for row in rows])
        self.html = SafeString(_numbers_below(path).sub("<a href=", written) if path.endswith("/") else written)

    @property
    def refusals(self) -> SafeString:
        """JSON, for between single quotes: the different answers to what a row does not allow. Rows of one status share
        theirs."""
        text = json.dumps([dict(kind) for kind in self._kinds], separators=(",", ":"))
        return SafeString(text.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&#x27;"))

    def _kind(self, answer: Mapping[str, str]) -> int:
        """The place of this answer among all different ones."""
        _, kind = self._answers.get(id(answer), (None, -1))
        if kind < 0:
            kind = self._kinds.setdefault(tuple(answer.items()), len(self._kinds))
            self._answers[id(answer)] = answer, kind  # held, so that its identity stays its own
        return kind

    def _row(self, row: Any, cells: Cells) -> str:
        table, pk = self._table, row.pk
        css = table.row_class(row)
        parts = [f"<tr id=row-{pk} class={attribute(css)}" if css else f"<tr id=row-{pk}"]
        if table.is_selectable:
            kind = self._kind(table.refusals(row))
            parts.append(
                f"{f' data-refusals={kind}' if kind else ''}><td><input type=checkbox name=ids value={pk} "
                f'form=selection aria-label="{escaped(table.row_name(row))}">'
            )
        else:
            parts.append(">")
        for cell, start in cells:
            shown = cell(row)
            if type(shown) is not SafeString and is_special(shown):
                shown = html.escape(shown)
            parts += (start, shown)
        parts.append("\n")
        return "".join(parts)
