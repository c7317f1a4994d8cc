"""The formats of downloads, by the name that the address has for them: ?format=csv."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping

from activity.listing.csv import csv_pieces
from activity.listing.errors import BadListRequest
from activity.listing.ids import RowIds
from activity.listing.json_lines import json_pieces
from activity.listing.source import Source
from activity.listing.workbook import workbook_pieces

Pieces = Generator[tuple[bytes, int], None, None]


@dataclasses.dataclass(frozen=True, slots=True)
class Format:
    """One format: what it is called, in the address and by people, and what writes it."""

    key: str
    label: str
    content_type: str
    pieces: Callable[[Source, RowIds], Pieces]

    @property
    def ending(self) -> str:
        """Return how names of its files end."""
        return f".{self.key}"


FORMATS: Mapping[str, Format] = {
    each.key: each
    for each in (
        Format("csv", "CSV", "text/csv; charset=utf-8", csv_pieces),
        Format("jsonl", "JSON Lines", "application/jsonl; charset=utf-8", json_pieces),
        Format(
            "xlsx",
            "Excel (XLSX)",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            workbook_pieces,
        ),
    )
}


def asked_format(parameters: Mapping[str, str]) -> Format:
    """Return the format that an address asks for, CSV if it names none. Raise BadListRequest."""
    key = parameters.get("format", "csv")
    if key not in FORMATS:
        raise BadListRequest(f"There is no format “{key[:40]}”. Choose one of: {', '.join(FORMATS)}.")
    return FORMATS[key]
