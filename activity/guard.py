"""Looks whether everything that keeps the activity log append-only is in force, and puts it back (append_only.py).

Who owns the database can take any of it away. That is not prevented here, but it is seen: by `check`, `doctor`, the
page Health and each `migrate`, which puts back what it can and writes into the log that it had to.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

from activity import append_only, log, words
from activity.append_only import DOOR, LOG
from activity.models import LOG_WORDS, Level, LogEntry, PruneDoor
from activity.verbs import Verb

LAST_MIGRATION = ("activity", "0005_prune_in_the_database")
QUICKLY = 2_000  # entries whose times are compared where somebody waits for a page
THOROUGHLY = 200_000
MOST = 10  # entries that are named
APART = "1 hour"  # by which an entry may be before the one that was written before it: transactions overlap
MEND = "Run: sessionadmin migrate. Then find out who has been at the database."
ASK = "Find out who has been at the database. Entries are never removed to mend this (docs/activity-log.md)."
TYPES = {"BEFORE": 2, "INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}  # pg_trigger.tgtype; 1: for each row


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it must be, and what a person does about it."""

    text: str
    remedy: str = MEND

    @property
    def can_be_mended(self) -> bool:
        """Whether `migrate` puts it right."""
        return self.remedy == MEND


def look(database: str = "default", entries: int = THOROUGHLY) -> list[Problem]:
    """Return everything that is wrong with the guard of the log and, in the newest `entries`, with its rows.

    Nothing is said of a database that `migrate` has not brought to this version yet. Raises what the database says.
    """
    connection = connections[database]
    if LAST_MIGRATION not in MigrationRecorder(connection).applied_migrations():
        return []
    if gone := _tables(connection):
        return gone
    is_sqlite = connection.vendor == "sqlite"
    return [*(_sqlite if is_sqlite else _postgresql)(connection), *_door(connection), *_rows(connection, entries)]


def mend(database: str = "default") -> list[Problem]:
    """Put back what can be put back, and record each problem in the log. Return what was found."""
    connection = connections[database]
    found = look(database, QUICKLY)
    mended = [one for one in found if one.can_be_mended]
    if not mended:
        return found
    for table in (LOG, DOOR):
        name = _holder(connection, table)
        if name and name != table and not _exists(connection, table):
            _execute(connection, f'ALTER TABLE "{name}" RENAME TO {table}')
    if not _exists(connection, LOG):
        return found
    if not _exists(connection, DOOR):
        with connection.schema_editor() as editor:
            editor.create_model(PruneDoor)
    with transaction.atomic(using=database):
        append_only.renew(connection)
        _execute(connection, f"DELETE FROM {DOOR}")
        for one in mended:
            log.record(
                Verb.LOG_MENDED,
                f"The activity log was not guarded, and is again: {one.text}",
                level=Level.ERROR,
                details={"database": connection.vendor},
            )
    return found


# --- tables and triggers


def _tables(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Without its tables nothing else can be asked."""
    problems = []
    for table in (LOG, DOOR):
        if _exists(connection, table):
            continue
        name = _holder(connection, table)
        if name:
            problems.append(Problem(f"The table {table} was renamed to {name}."))
        elif table == DOOR:
            problems.append(Problem(f"The table {table} is not there."))
        else:
            remedy = "Restore the database from a backup, and find out who has been at it."
            problems.append(Problem(f"The table {table} is not there: the log was removed.", remedy))
    return problems


def _exists(connection: BaseDatabaseWrapper, table: str) -> bool:
    """A view does not count."""
    if connection.vendor == "sqlite":
        return bool(_ask(connection, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = %s", [table]))
    ask = "SELECT 1 FROM pg_class WHERE oid = to_regclass(%s) AND relkind IN ('r', 'p')"
    return bool(_ask(connection, ask, [table]))


def _holder(connection: BaseDatabaseWrapper, table: str) -> str:
    """Return the name of the table that has our triggers for `table`, or an empty string."""
    if connection.vendor == "sqlite":
        names = [name for name, (of, _) in append_only.SQLITE.items() if of == table]
        marks = ", ".join(["%s"] * len(names))
        ask = f"SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name IN ({marks})"
        rows = _ask(connection, ask, names)
    else:
        names = [name for name, (of, *_) in append_only.POSTGRESQL.items() if of == table]
        ask = (
            "SELECT DISTINCT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE tgname = ANY(%s) AND relnamespace = current_schema()::regnamespace"
        )
        rows = _ask(connection, ask, [names])
    return str(rows[0][0]) if len(rows) == 1 else ""


def _sqlite(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Each trigger by its text."""
    rows = _ask(connection, "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    there = {name: (table, " ".join(text.split())) for name, table, text in rows}
    problems = []
    for name, (table, text) in append_only.SQLITE.items():
        if name not in there:
            problems.append(Problem(f"The trigger {name} is missing."))
        elif there[name] != (table, " ".join(text.split())):
            problems.append(Problem(f"The trigger {name} was replaced by another."))
    ours = {*append_only.SQLITE, *words.sqlite_triggers(LOG_WORDS)}
    strangers = sorted(name for name, (table, _) in there.items() if table in (LOG, DOOR) and name not in ours)
    return problems + [_stranger("trigger", name, f"DROP TRIGGER {name}") for name in strangers]


def _postgresql(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Each trigger by its kind, its condition, its function's body, and whether it is enabled."""
    rows = _ask(
        connection,
        "SELECT tgname, relname, tgenabled, tgtype, pg_get_triggerdef(t.oid), proname, prosrc, "
        "array_to_string(proconfig, ';'), cardinality(tgattr::int2[]) FROM pg_trigger t "
        "JOIN pg_class c ON c.oid = tgrelid JOIN pg_proc p ON p.oid = tgfoid "
        "WHERE NOT tgisinternal AND tgrelid IN (to_regclass(%s), to_regclass(%s))",
        [LOG, DOOR],
    )
    there = {row[0]: row[1:] for row in rows}
    setting = append_only.SETTING.format(schema=append_only.schema_of(connection)).replace(" = ", "=")
    problems = []
    for name in append_only.POSTGRESQL:
        if name not in there:
            problems.append(Problem(f"The trigger {name} is missing."))
            continue
        if text := _wrong(name, there[name], setting):
            problems.append(Problem(text))
    strangers = sorted(there.keys() - append_only.POSTGRESQL.keys())
    problems += [_stranger("trigger", name, f"DROP TRIGGER {name} ON {there[name][0]}") for name in strangers]
    ask = "SELECT rulename, tablename FROM pg_rules WHERE schemaname = current_schema() AND tablename IN (%s, %s)"
    problems += [
        _stranger("rule", name, f"DROP RULE {name} ON {of}") for name, of in _ask(connection, ask, [LOG, DOOR])
    ]
    if _ask(connection, "SELECT current_setting('session_replication_role')") != [("origin",)]:
        remedy = "Take session_replication_role out of the settings of the database and of its role."
        problems.append(Problem("The database runs no triggers: session_replication_role is not “origin”.", remedy))
    return problems


def _wrong(name: str, there: tuple[Any, ...], setting: str) -> str:
    """Return what is wrong with a trigger that is there, or an empty string."""
    table, enabled, kind, definition, function, body, config, columns = there
    of, wanted, moment, each, condition = append_only.POSTGRESQL[name]
    if enabled not in ("O", "A"):
        return f"The trigger {name} is disabled."
    when = definition.partition(" WHEN (")[2].partition(") EXECUTE ")[0]
    wanted_kind = (each == "ROW") + sum(TYPES.get(word, 0) for word in moment.split())
    if (table, kind, when, function, columns) != (of, wanted_kind, condition, wanted, 0):
        return f"The trigger {name} was replaced by another."
    if body.split() != append_only.FUNCTIONS[wanted].split() or config != setting:
        return f"The function {function} of the trigger {name} was replaced by another."
    return ""


def _stranger(what: str, name: str, statement: str) -> Problem:
    text = f"The {what} {name} is not ours: it may keep entries from being written, or change them."
    return Problem(text, f"If nobody knows what it is for: {statement}")


# --- rows


def _door(connection: BaseDatabaseWrapper) -> list[Problem]:
    if not _ask(connection, f"SELECT 1 FROM {DOOR} LIMIT 1"):
        return []
    return [Problem(f"The door of prune_activity stands open: {DOOR} holds a row, so entries can be deleted.")]


def _rows(connection: BaseDatabaseWrapper, entries: int) -> list[Problem]:
    problems = []
    [(count,)] = _ask(connection, f"SELECT COUNT(*) FROM {LOG} WHERE id <= 0")
    if count:
        problems.append(Problem(f"{count} {_entries(count)} a number that the console never gives: 0 or less.", ASK))
    late = _back_dated(connection, entries)
    if late:
        shown = ", ".join(f"number {pk} ({at:%Y-%m-%d %H:%M:%S} UTC)" for pk, at in late[:MOST])
        more = " and more" if len(late) > MOST else ""
        are = "This entry bears" if len(late) == 1 else "These entries bear"
        problems.append(
            Problem(
                f"{are} a time before that of the entry written before it: {shown}{more}. It was dated back, or the "
                "clock was put back while no worker ran.",
                ASK,
            )
        )
    return problems


def _entries(count: int) -> str:
    return "entry has" if count == 1 else "entries have"


def _back_dated(connection: BaseDatabaseWrapper, entries: int) -> list[tuple[int, dt.datetime]]:
    """Return number and time of entries that are earlier than the one with the number before, as far as no entry of the
    log explains it: an import, or a clock that was put back."""
    before = (
        f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', before_it, '-{APART}')"
        if connection.vendor == "sqlite"
        else f"before_it - interval '{APART}'"
    )
    ask = (
        f"SELECT id, at FROM (SELECT id, at, LAG(at) OVER (ORDER BY id) AS before_it "
        f"FROM (SELECT id, at FROM {LOG} WHERE id > 0 ORDER BY id DESC LIMIT %s) AS newest) AS compared "
        f"WHERE at < {before} ORDER BY id LIMIT 200"
    )
    numbers = [pk for pk, _ in _ask(connection, ask, [entries])]
    found = list(LogEntry.objects.using(connection.alias).filter(pk__in=numbers).order_by("pk").values_list("pk", "at"))
    if not found:
        return []
    told = LogEntry.objects.using(connection.alias).filter(verb__in=[Verb.LOG_IMPORTED, Verb.CLOCK_CHANGED])
    told = told.filter(pk__gte=found[0][0])
    reasons = list(told.order_by("pk").values_list("verb", "at", "details")[:1000])
    return [(pk, at) for pk, at in found if not any(_explains(reason, pk, at) for reason in reasons)]


def _explains(reason: tuple[str, dt.datetime, dict[str, Any]], pk: int, at: dt.datetime) -> bool:
    verb, when, details = reason
    if verb == Verb.LOG_IMPORTED:
        return int(details.get("first", 0)) <= pk <= int(details.get("last", -1))
    return abs((when - at).total_seconds()) < 600


def _ask(connection: BaseDatabaseWrapper, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
        return list(cursor.fetchall())


def _execute(connection: BaseDatabaseWrapper, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
