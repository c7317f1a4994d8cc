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

    def __init__(self, table: Table, columns: Sequence[Column], rows: Sequence[Any]) -> None:
        self._table = table
        self._refusals: dict[tuple[tuple[str, str], ...], int] = {}
        cells = [(column.write, table.cell_start(column)) for column in columns]
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
