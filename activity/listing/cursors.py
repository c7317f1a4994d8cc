"""Cursors: the place of a row in a list, as text for an address.

A cursor holds the value by which the list is sorted, and the id of the row. Anybody can make one up.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, ForeignKey, IntegerField

from activity.listing.errors import BadListRequest

LARGEST = 2**63 - 1  # of integers in both databases
BAD_CURSOR = "This page of the list does not exist. Go back to the first page."


def cursor_to(value: Any, pk: int) -> str:
    """Return the cursor to the place of (value, id), whether or not there is such a row."""
    text = json.dumps([value, pk], cls=_Exact, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class _Exact(DjangoJSONEncoder):
    """Writes times to the microsecond. Django's own encoder cuts them to milliseconds, and a cursor must be exact."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if hasattr(o, "isoformat") else super().default(o)


def read_cursor(cursor: str, field: Field[Any, Any], database: str) -> tuple[Any, int]:
    """Return the value and the id that cursor_to() wrote. Raise BadListRequest for other text.

    The value is already converted to the database's own form here. If that fails, somebody made the cursor up: it
    holds a lone surrogate, a date before year 1, text that is no IP address, or a number or duration that does not fit
    into the column.
    """
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        value, pk = json.loads(raw)
        if isinstance(value, list | dict) or not isinstance(pk, int) or abs(pk) > LARGEST:
            raise BadListRequest(BAD_CURSOR)
        if isinstance(value, str) and "\x00" in value.encode().decode():
            raise BadListRequest(BAD_CURSOR)
        if value is not None:
            value = _held(field.to_python(value), _kind(field), connections[database])
            field.get_db_prep_value(value, connections[database])
        return value, pk
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError, ValidationError) as error:
        raise BadListRequest(BAD_CURSOR) from error


def _kind(field: Field[Any, Any]) -> Field[Any, Any]:
    """Return the field that says what a column holds: of a foreign key it is the key that it leads to."""
    return field.target_field if isinstance(field, ForeignKey) else field


def _held(value: Any, field: Field[Any, Any], connection: BaseDatabaseWrapper) -> Any:
    """Return the value in a form that a column of that field can hold.

    Times are in UTC, because PostgreSQL accepts no offset of 16 hours or more. Raise OverflowError for numbers and
    durations beyond the bounds of the field, and for times that are out of range in UTC.
    """
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    if isinstance(value, dt.timedelta):
        lowest, highest = -LARGEST, LARGEST
        number = value // dt.timedelta(microseconds=1)  # what SQLite keeps
    elif isinstance(value, int) and isinstance(field, IntegerField):
        lowest, highest = connection.ops.integer_field_range(field.get_internal_type())
        number = value
    else:
        return value
    if not lowest <= number <= highest:
        raise OverflowError(f"{number} does not fit {field}")
    return value
