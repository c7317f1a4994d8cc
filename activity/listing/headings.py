"""The headings above the columns of a list: how wide each is, and the link that sorts by it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from activity.listing.columns import Column, Table

TICK_WIDTH = 38  # pixels of the column with the checkboxes


@dataclasses.dataclass(frozen=True, slots=True)
class Heading:
    """One column as shown: its link to sort (empty where it has none), and how wide it is in pixels."""

    key: str
    label: str
    is_number: bool
    width: int  # of a column that is flexible or grows at least
    is_flexible: bool
    share: str  # of the table's width, in percent, of a column that grows; empty of others
    aria_sort: str  # ascending, descending, or empty
    url: str


@dataclasses.dataclass(frozen=True, slots=True)
class Headings:
    """The headings of all columns that are shown, from left to right."""

    columns: Sequence[Heading]
    width: int  # pixels of all together, at least

    @property
    def is_rigid(self) -> bool:
        """Return whether no column takes the room that is left, so that it stays empty."""
        return not any(heading.is_flexible for heading in self.columns)


def headings(table: Table, columns: Sequence[Column], widths: Mapping[str, int], sort: str, url: str) -> Headings:
    """Return the headings of `columns`, which are those of the table that the person sees.

    `widths` are those that the person dragged, `sort` is the order of the list, and `url` its address without an order.
    The table's flexible column takes the room that is left, unless the person gave it a width. Before that some columns
    grow: they keep the share that they have of the narrowest table.
    """
    url += "sort=" if url.endswith("?") else "&sort="
    wide = {column.key: widths.get(column.key, column.width) for column in columns}
    total = sum(wide.values(), TICK_WIDTH if table.is_selectable else 0)
    first = next((key for key in table.flexible if key in wide), "")
    grows = set(table.grows) - set(widths) - {first}
    found = []
    for column in columns:
        is_sorted = column.key == sort.removeprefix("-")
        is_ascending = is_sorted and not sort.startswith("-")
        found.append(
            Heading(
                key=column.key,
                label=column.label,
                is_number=column.is_number,
                width=wide[column.key],
                is_flexible=column.key == first and first not in widths,
                share=f"{100 * column.width / total:.2f}%" if column.key in grows else "",
                aria_sort=("ascending" if is_ascending else "descending") if is_sorted else "",
                url=f"{url}{'-' if is_ascending else ''}{column.key}" if column.order else "",
            )
        )
    return Headings(found, total)
