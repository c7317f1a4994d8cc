"""The headings above the columns of a list: how wide each is, and the link that sorts by it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from activity.listing.columns import Column


@dataclasses.dataclass(frozen=True, slots=True)
class Heading:
    """One column as shown: its link to sort (empty where it has none), and how wide it is in pixels."""

    key: str
    label: str
    is_number: bool
    width: int
    aria_sort: str  # ascending, descending, or empty
    url: str


def headings(columns: Iterable[Column], widths: Mapping[str, int], sort: str, url: str) -> list[Heading]:
    """Return the headings of `columns`.

    `widths` are those that the person dragged, `sort` is the order of the list, and `url` its address without an order.
    """
    url += "sort=" if url.endswith("?") else "&sort="
    found = []
    for column in columns:
        is_sorted = column.key == sort.removeprefix("-")
        is_ascending = is_sorted and not sort.startswith("-")
        found.append(
            Heading(
                key=column.key,
                label=column.label,
                is_number=column.is_number,
                width=widths.get(column.key, column.width),
                aria_sort=("ascending" if is_ascending else "descending") if is_sorted else "",
                url=f"{url}{'-' if is_ascending else ''}{column.key}" if column.order else "",
            )
        )
    return found
