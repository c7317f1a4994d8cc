"""Write the rows of a table as HTML. All around them is written by templates (templates/activity/listing/).

A page has a hundred rows of about ten cells. Jinja2 takes 0.6 to 1.1 ms longer for them, a tenth of the page, and the
log would then be above its bar of 9 ms (docs/decisions/0019-rows-are-written-in-python.md). Every value is escaped
unless it is a SafeString.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.safestring import SafeString

from activity.listing.columns import Column, Row, Table, escaped, is_special
from activity.listing.times import in_one_zone

Cells = Sequence[tuple[Callable[[Row], str], str]]


class Rows:
    """The rows of one page as HTML, and what they refuse. Each row names its refusals by their place in `refusals`."""

    def __init__(
        self, table: Table, columns: Sequence[Column], rows: Sequence[Any], *, is_grouped: bool = False
    ) -> None:
        self._table = table
        self._refusals: dict[tuple[tuple[str, str], ...], int] = {}
        cells = [(column.write, table.cell_start(column)) for column in columns]
        with in_one_zone():
            written = [self._row(row, cells) for row in rows]
        if is_grouped and table.group is not None:
            written = _under_headings(table.group, rows, written, len(columns) + table.is_selectable)
        self.html = SafeString("".join(written))

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


def _under_headings(
    group: Callable[[Row], tuple[object, str]], rows: Sequence[Any], written: Sequence[str], width: int
) -> list[str]:
    """Return the written rows with a heading before each group. A page that begins within a group has it, too."""
    parts: list[str] = []
    before: object = parts  # no group is this list
    for row, text in zip(rows, written, strict=True):
        key, words = group(row)
        if key != before:
            parts.append(f'<tr class="group"><th colspan="{width}" scope="rowgroup">{escaped(words)}</th></tr>\n')
        before = key
        parts.append(text)
    return parts
