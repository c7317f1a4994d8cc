"""The rows of a report as HTML. They are written in Python, as those of lists (docs/decisions/0019)."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from django.utils.safestring import SafeString

from activity.listing import Column
from activity.listing.columns import escaped
from activity.listing.times import in_one_zone
from sessions_app.reports.report import Report, Row

_NOTHING = object()


class HtmlRows:
    """Writes rows one after the other, with a heading where the part of another person begins."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._columns = shown_columns(report)
        self._writers = [
            (column.write, '<td class="number">' if column.is_number else "<td>") for column in self._columns
        ]
        self._part: object = _NOTHING

    def written(self, rows: Iterable[Row]) -> SafeString:
        """Return the next rows as HTML."""
        with in_one_zone():
            return SafeString("".join([piece for row in rows for piece in self._row(row)]))  # safe: _row() escapes

    def _row(self, row: Row) -> list[str]:
        parts = []
        group = self._report.group(row)
        if group is not None and group[0] != self._part:
            if self._part is not _NOTHING:
                parts.append("</tbody><tbody>")
            parts.append(
                f'<tr class="part"><th colspan="{len(self._columns)}" scope="rowgroup">{escaped(group[1])}</th></tr>'
            )
            self._part = group[0]
        parts.append("<tr>")
        for write, start in self._writers:
            cell = write(row)
            parts += (start, cell if isinstance(cell, SafeString) else html.escape(cell), "</td>")
        parts.append("</tr>\n")
        return parts


def shown_columns(report: Report) -> Sequence[Column]:
    """Return the columns of the screen and the paper. Files have all of them."""
    return [column for column in report.columns if not column.is_hidden]


def shares(report: Report) -> Sequence[str]:
    """Return how much of the table's width each shown column has."""
    widths = [column.width for column in shown_columns(report)]
    return [f"{100 * width / sum(widths):.2f}%" for width in widths]
