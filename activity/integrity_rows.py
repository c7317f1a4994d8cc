"""Check whether the console can have written the rows of the log. Whatever a row holds, no check may raise."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

from django.contrib.auth import get_user_model
from django.db.backends.base.base import BaseDatabaseWrapper

from activity.append_only import LOG, REQUEST
from activity.integrity_problems import ASK, MOST_NAMED, Problem, ask
from activity.settled import WRITERS
from activity.verbs import Verb

APART = "1 hour"  # an entry may be so much earlier than the one written before it, because transactions overlap
EARLIEST, LATEST = "0001-01-02", "9999-12-30"  # dates that Python can hold in every time zone
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SAME_MINUTE = 60  # seconds
CLOCK_AROUND = 600  # seconds
# So many numbers may be missing. PostgreSQL never gives the number of a failed transaction again; SQLite does.
LEFT_OUT = {"sqlite": 0, "postgresql": 1000}
TRUE_LOG = "Look for the true log in a backup or beside this table, and find out who changed the database."
# How Django writes a time on SQLite.
WRITTEN = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]*"


def requests(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Return a problem when a request of prune_activity is left, which lets entries be deleted."""
    if not ask(connection, f"SELECT 1 FROM {REQUEST} LIMIT 1"):
        return []
    return [Problem(f"{REQUEST} holds a row that was not carried out, so entries can be deleted.")]


def numbers(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Return a problem for numbers below 1, and for entries that are missing although their numbers were given."""
    problems = []
    [(count,)] = ask(connection, f"SELECT COUNT(*) FROM {LOG} WHERE id <= 0")
    if count:
        have = "entry has" if count == 1 else "entries have"
        problems.append(Problem(f"{count} {have} a number that the console never gives: 0 or less.", ASK))
    given = (
        f"(SELECT MAX(seq) FROM sqlite_sequence WHERE lower(name) = '{LOG}')"
        if connection.vendor == "sqlite"
        else f"pg_sequence_last_value(pg_get_serial_sequence('{LOG}', 'id')::regclass)"
    )
    [(last, newest)] = ask(connection, f"SELECT {given}, (SELECT MAX(id) FROM {LOG})")
    is_short = (last or 0) - (newest or 0) > LEFT_OUT[connection.vendor] and not _is_being_written(connection)
    if newest is None and (is_short or _has_anybody_logged_in(connection)):
        given_up_to = f", although its database has given numbers up to {last}" if is_short else ""
        text = f"The activity log is empty{given_up_to or ', although people have logged in'}: entries were removed."
        problems.append(Problem(text, TRUE_LOG))
    elif is_short:
        text = f"The newest entry is number {newest}, although its database has given numbers up to {last}: "
        problems.append(Problem(f"{text}entries were removed.", TRUE_LOG))
    return problems


def _is_being_written(connection: BaseDatabaseWrapper) -> bool:
    """Return whether other transactions are writing entries that nobody else sees yet.

    On SQLite nobody else sees their numbers either, so the answer does not matter there.
    """
    return connection.vendor == "postgresql" and bool(ask(connection, WRITERS, [LOG]))


def _has_anybody_logged_in(connection: BaseDatabaseWrapper) -> bool:
    """Return whether anybody has logged in. Each login leaves an entry, and so does pruning."""
    people = get_user_model()._default_manager.using(connection.alias)
    return people.filter(last_login__isnull=False).exists()


def unreadable_times(connection: BaseDatabaseWrapper, entries: int) -> list[Problem]:
    """Return a problem for entries with a time that the console never writes.

    The index of times finds those out of range. SQLite accepts any text as a time, so there the newest entries are also
    read one by one.
    """
    is_sqlite = connection.vendor == "sqlite"
    shown = "substr(CAST(at AS TEXT), 1, 40)" if is_sqlite else "at::text"
    zone = "" if is_sqlite else " 00:00+00"
    ranges = f"at < '{EARLIEST}{zone}'", f"at > '{LATEST}{zone}'"
    parts = [f"SELECT id, {shown} FROM {LOG} WHERE {one} LIMIT {MOST_NAMED + 1}" for one in ranges]
    if is_sqlite:
        newest = f"SELECT id, at FROM {LOG} ORDER BY id DESC LIMIT {int(entries)}"
        parts.append(
            f"SELECT id, {shown} FROM ({newest}) WHERE at NOT GLOB '{WRITTEN}' OR "
            f"date(at, '+0 days') IS NOT substr(at, 1, 10) LIMIT {MOST_NAMED + 1}"
        )
    found = dict(row for part in parts for row in ask(connection, part.replace("%", "%%")))
    if not found:
        return []
    named = ", ".join(f"number {pk} (“{found[pk]}”)" for pk in sorted(found)[:MOST_NAMED])
    more = " and more" if len(found) > MOST_NAMED else ""
    what = "This entry bears" if len(found) == 1 else "These entries bear"
    return [Problem(f"{what} a time that the console never writes: {named}{more}.", ASK)]


# --- entries that were dated back


@dataclasses.dataclass(frozen=True, slots=True)
class _Reason:
    """An entry that explains why other entries bear an earlier time than those before them."""

    pk: int
    verb: str
    at: float  # seconds since 1970, UTC
    details: dict[str, Any]

    def explains(self, pk: int, at: float) -> bool:
        if self.verb == Verb.CLOCK_CHANGED:
            return abs(self.at - at) < CLOCK_AROUND
        first, last = self.details.get("first"), self.details.get("last")
        return type(first) is int and type(last) is int and 1 <= first <= pk <= last < self.pk


def dated_back(connection: BaseDatabaseWrapper, entries: int) -> list[Problem]:
    """Return a problem for entries that are older than the entry before them, unless another entry explains it."""
    late = _unexplained(connection, entries)
    if not late:
        return []
    shown = ", ".join(
        f"number {pk} ({EPOCH + dt.timedelta(seconds=at):%Y-%m-%d %H:%M:%S} UTC)" for pk, at in late[:MOST_NAMED]
    )
    more = " and more" if len(late) > MOST_NAMED else ""
    are = "This entry bears" if len(late) == 1 else "These entries bear"
    return [
        Problem(
            f"{are} a time before that of the entry written before it: {shown}{more}. It was dated back, or the "
            "clock was put back while no worker ran.",
            ASK,
        )
    ]


def _seconds(connection: BaseDatabaseWrapper) -> str:
    """Return the expression for a time in seconds since 1970. It is NULL if the value is no time."""
    if connection.vendor == "sqlite":
        return "CASE typeof(at) WHEN 'text' THEN CAST(strftime('%%s', at) AS INTEGER) END"
    return "EXTRACT(EPOCH FROM at)::float8"


def _readable(connection: BaseDatabaseWrapper) -> str:
    zone = "" if connection.vendor == "sqlite" else " 00:00+00"
    return f"at >= '{EARLIEST}{zone}' AND at <= '{LATEST}{zone}'"


def _unexplained(connection: BaseDatabaseWrapper, entries: int) -> list[tuple[int, float]]:
    before = (
        f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', before_it, '-{APART}')"
        if connection.vendor == "sqlite"
        else f"before_it - interval '{APART}'"
    )
    found = ask(
        connection,
        f"SELECT id, {_seconds(connection)} FROM (SELECT id, at, LAG(at) OVER (ORDER BY id) AS before_it "
        f"FROM (SELECT id, at FROM {LOG} WHERE id > 0 ORDER BY id DESC LIMIT %s) AS newest "
        f"WHERE {_readable(connection)}) AS compared WHERE at < {before} ORDER BY id LIMIT 200",
        [entries],
    )
    late = [(int(pk), float(at)) for pk, at in found if at is not None]
    if not late:
        return []
    reasons = _reasons(connection, late[0][0])
    return [(pk, at) for pk, at in late if not any(one.explains(pk, at) for one in reasons)]


def _reasons(connection: BaseDatabaseWrapper, first: int) -> list[_Reason]:
    """Return the entries that may explain earlier times from number `first` on.

    An import writes its own entry together with the last of its rows. So entries with a number between them must have
    been written in the same minute, by somebody else. An entry that was added later for older rows explains nothing.
    """
    details = "CAST(details AS TEXT)"
    between = f"SELECT MIN({_seconds(connection)}) FROM {LOG} WHERE id > %s AND id < %s AND {_readable(connection)}"
    rows = ask(
        connection,
        f"SELECT id, verb, {_seconds(connection)}, {details} FROM {LOG} WHERE verb IN (%s, %s) AND id >= %s "
        f"AND {_readable(connection)} ORDER BY id LIMIT 1000",
        [Verb.LOG_IMPORTED.value, Verb.CLOCK_CHANGED.value, first],
    )
    reasons = [_Reason(int(pk), str(verb), float(at), _parsed(text)) for pk, verb, at, text in rows if at is not None]
    unexplained = []
    for one in reasons:
        last = one.details.get("last")
        if one.verb == Verb.LOG_IMPORTED and type(last) is int and 0 < last < one.pk - 1:
            [(earliest,)] = ask(connection, between, [last, one.pk])
            if earliest is not None and one.at - float(earliest) > SAME_MINUTE:
                continue
        unexplained.append(one)
    return unexplained


def _parsed(text: object) -> dict[str, Any]:
    """Return the details of an entry; an empty dictionary if they are no JSON object."""
    try:
        value = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
