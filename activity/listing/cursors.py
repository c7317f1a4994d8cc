"""The cursor to a place in a list: value and id of a row as text for an address, which anybody may make up."""

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
from django.db.models import Field, IntegerField

from activity.listing.errors import BadListRequest

LARGEST = 2**63 - 1  # of integers in both databases
BAD_CURSOR = "This page of the list does not exist. Go back to the first page."


def cursor_to(value: Any, pk: int) -> str:
    """Return the cursor to the place of (value, id), whether or not there is such a row."""
    text = json.dumps([value, pk], cls=_Exact, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class _Exact(DjangoJSONEncoder):
    """Times to the microsecond: Django's own encoder cuts them to milliseconds, and a cursor must be exact."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if hasattr(o, "isoformat") else super().default(o)


def read_cursor(cursor: str, field: Field[Any, Any], database: str) -> tuple[Any, int]:
    """Return the value and the id that cursor_to() wrote. Raise BadListRequest for other text.

    The value is put into the database's own form already here, where it is known to be somebody's invention when that
    fails: half a character, a time before all times, an address that is none, a number or a duration that no column
    can hold.
    """
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        value, pk = json.loads(raw)
        if isinstance(value, list | dict) or not isinstance(pk, int) or abs(pk) > LARGEST:
            raise BadListRequest(BAD_CURSOR)
        if isinstance(value, str) and "\x00" in value.encode().decode():
            raise BadListRequest(BAD_CURSOR)
        if value is not None:
            value = _held(field.to_python(value), field, connections[database])
            field.get_db_prep_value(value, connections[database])
        return value, pk
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError, ValidationError) as error:
        raise BadListRequest(BAD_CURSOR) from error


def _held(value: Any, field: Field[Any, Any], connection: BaseDatabaseWrapper) -> Any:
    """Return the value as a column of that field can hold it.

    Times are in UTC, since PostgreSQL knows no offset of 16 hours or more. Raise OverflowError for numbers and
    durations beyond the bounds of the field, and for times that UTC does not have.
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
