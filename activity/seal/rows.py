"""Reads entries of the log as their leaves are made of them: the whole row as canonical JSON, alike on both databases.

It reads the columns themselves, not objects: sealing and verify_log read millions. Whatever a row holds, there is a
leaf for it; what the console never writes (text that is no time, JSON with one key twice) stands in it as it was found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from activity.models import LogEntry
from activity.verify_sessionadmin import ENTRY_FIELDS, MOST_EXACT, VERSION, canonical_json, ip_text

ROWS_AT_ONCE = 2000
KEYS = (*ENTRY_FIELDS, "v")
AT, DETAILS, ID, IP = (ENTRY_FIELDS.index(field) for field in ("at", "details", "id", "ip"))
# How Django and the triggers write a time on SQLite, and what PostgreSQL is asked for.
TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?", re.ASCII)
WHOLE_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", re.ASCII)
UTC_TIME = "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
_text = json.encoder.encode_basestring  # a string as canonical JSON has it, but for halves of surrogate pairs


def read_entries(connection: BaseDatabaseWrapper, after: int, up_to: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and canonical JSON of all entries with a number above `after` and up to `up_to`, in their order.

    It reads some at a time, so that it needs little memory and holds no transaction open.
    """
    statement = statement_for(connection)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, [after, up_to, ROWS_AT_ONCE])
            rows = cursor.fetchall()
        yield from ((row[ID], as_json(row)) for row in rows)
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1][ID]


def statement_for(connection: BaseDatabaseWrapper) -> str:
    """Return the query of entries, in the order of the fields of a leaf. Its parameters: after, up to, how many."""
    columns = {field: field for field in ENTRY_FIELDS}
    if connection.vendor == "postgresql":
        columns |= {"at": UTC_TIME, "details": "details::text"}
    else:
        columns["at"] = "+at"  # an expression, which is not converted to a datetime
    table = LogEntry._meta.db_table
    return (
        f"SELECT {', '.join(columns.values())} FROM {table} "  # noqa: S608 - our own names
        "WHERE id > %s AND id <= %s ORDER BY id LIMIT %s"
    )


def as_json(row: tuple[Any, ...]) -> bytes:
    """Return the canonical JSON of what statement_for() reads for one entry."""
    return _quickly(row) or _carefully(row)


def _quickly(row: tuple[Any, ...]) -> bytes | None:
    """Return the canonical JSON of a row of the usual types, without a dictionary between; None for any other row."""
    actor_id, actor_name, at, details, number, ip, level, login_id, message, outcome, target_id, *rest = row
    target_name, target_type, user_id, user_name, verb = rest
    for one in (actor_id, number, level, login_id, target_id, user_id):
        if one is not None and (type(one) is not int or not -MOST_EXACT <= one <= MOST_EXACT):
            return None
    if type(at) is not str or not WHOLE_TIME.fullmatch(at) or (ip is not None and ":" in ip):
        return None
    try:
        return (
            f'{{"actor_id":{"null" if actor_id is None else actor_id},"actor_name":{_text(actor_name)},'
            f'"at":"{at[:10]}T{at[11:]}Z","details":{"{}" if details == "{}" else _canonical(details)},'
            f'"id":{number},"ip":{"null" if ip is None else _text(ip)},"level":{level},'
            f'"login_id":{"null" if login_id is None else login_id},"message":{_text(message)},'
            f'"outcome":{_text(outcome)},"target_id":{"null" if target_id is None else target_id},'
            f'"target_name":{_text(target_name)},"target_type":{_text(target_type)},'
            f'"user_id":{"null" if user_id is None else user_id},"user_name":{_text(user_name)},"v":{VERSION},'
            f'"verb":{_text(verb)}}}'
        ).encode()
    except (TypeError, ValueError, RecursionError):  # no text, half of a surrogate pair, or details that are no JSON
        return None


def _canonical(details: str) -> str:
    return canonical_json(_DECODER.decode(details)).decode()


def _carefully(row: tuple[Any, ...]) -> bytes:
    values = [*row, VERSION]
    ip = row[IP]
    values[AT] = _time(row[AT])
    values[DETAILS] = _details(row[DETAILS])
    if type(ip) is str and ":" in ip:
        values[IP] = ip_text(ip)
    try:
        return canonical_json(dict(zip(KEYS, values, strict=True)))
    except (ValueError, RecursionError):  # bytes, which SQLite keeps in any column
        return canonical_json(dict(zip(KEYS, map(_shown, values), strict=True)))


def _time(value: Any) -> Any:
    """Return a time as it is in a leaf. What the console never writes is returned as it is."""
    found = TIME.fullmatch(value) if type(value) is str else None
    return f"{found[1]}T{found[2]}.{(found[3] or '').ljust(6, '0')}Z" if found else value


def _details(text: Any) -> Any:
    """Return the value of JSON. Text that is none, or has a key twice, is returned as it is."""
    try:
        return _DECODER.decode(text)
    except (TypeError, ValueError, RecursionError):
        return text


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object. Raise ValueError for a key that is there twice, of which programs choose one or the other."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("A key is there twice.")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_without_doubles)


def _shown(value: Any) -> Any:
    return {"bytes": value.hex()} if isinstance(value, bytes | memoryview) else value
