"""Writes rows as JSON Lines: one object in each line, with every column and nothing changed or left out.

The log writes its entries in its own way (Table.json_lines), so that each line can be proved by itself.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Generator, Sequence

from activity.listing.ids import RowIds
from activity.listing.source import ListSource, Source, rows_of

Pieces = Generator[tuple[bytes, int], None, None]


def json_pieces(source: Source, ids: RowIds) -> Pieces:
    """Yield the file, some rows at a time, and how many they are."""
    if isinstance(source, ListSource) and source.table.json_lines is not None:
        write = source.table.json_lines(source.database)
        for entries in rows_of(source.queryset):
            ids.add([entry.pk for entry in entries])
            yield write(entries), len(entries)
        return
    for some, rows in source.batches():
        ids.add(some)
        yield b"".join([_line(source.keys, row) for row in rows]), len(rows)


def _line(keys: Sequence[str], row: Sequence[object]) -> bytes:
    values = {key: plain_value(value) for key, value in zip(keys, row, strict=True)}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"


def plain_value(value: object) -> object:
    """Return a value as JSON has it: times as ISO 8601 in UTC, durations in seconds, all else that it lacks as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str | dict | list):
        return value
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return str(value)
