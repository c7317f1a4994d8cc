"""Appends very many rows at once, for generated data: COPY on PostgreSQL, executemany on SQLite.

Rows are only added, by INSERT or COPY, and the triggers that make the log append-only stay in force. Indexes may be
dropped before and created again from all rows at the end, which is several times as fast as updating them row by row.
This module knows no model; the command that calls it decides who may do so.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connection, models

from activity import text_index

AT_ONCE = 5000
SQLITE_CACHE = -256_000  # KiB, for making indexes; the usual one is small because every thread has its own
POSTGRESQL_MEMORY = "512MB"

Row = tuple[Any, ...]


def append(model: type[models.Model], columns: Sequence[str], rows: Iterable[Row]) -> int:
    """Add `rows` and return how many they were.

    Each row has a value for each of `columns` (names of database columns) as the driver takes it; all others get the
    model's defaults. Times are text in UTC. Call it in a transaction; raises what the database says to a wrong row.
    """
    given = set(columns)
    others = [field for field in model._meta.concrete_fields if not field.primary_key and field.column not in given]
    tail = tuple(field.get_db_prep_save(field.get_default(), connection) for field in others)
    names = ", ".join(f'"{name}"' for name in (*columns, *(field.column for field in others)))
    whole = (row + tail for row in rows) if tail else rows
    into = f'"{model._meta.db_table}" ({names})'
    return _copy(into, whole) if connection.vendor == "postgresql" else _insert(into, len(columns) + len(tail), whole)


def _copy(into: str, rows: Iterable[Row]) -> int:
    count = 0
    with connection.cursor() as cursor:
        # Foreign keys are looked at as the rows come, not remembered until the end of the transaction.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL TimeZone = 'UTC'")
        with connection.wrap_database_errors, cursor.cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for count, row in enumerate(rows, start=1):  # noqa: B007 - it is what is returned
                copy.write_row(row)
    return count


def _insert(into: str, width: int, rows: Iterable[Row]) -> int:
    count = 0
    remaining = iter(rows)
    statement = f"INSERT INTO {into} VALUES ({', '.join(['%s'] * width)})"
    with connection.cursor() as cursor:
        while batch := list(itertools.islice(remaining, AT_ONCE)):
            cursor.executemany(statement, batch)
            count += len(batch)
    return count


@contextlib.contextmanager
def indexes_aside(model: type[models.Model], texts: Iterable[text_index.TextIndex] = ()) -> Iterator[None]:
    """Take the indexes of the table away for the length of the block.

    Only the unique ones stay; on PostgreSQL the foreign keys go too. Afterwards the table has them again, and `texts`
    too, and every row has been checked. Call it in a transaction, so that nothing is lost whatever goes wrong. Until it
    ends, PostgreSQL lets nobody else read the table, nor those that its foreign keys lead to.
    """
    table = model._meta.db_table
    find, drop, prepare, put_back = _STATEMENTS[connection.vendor]
    texts = list(texts)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or it would refuse to change what still waits for checks
        cursor.execute(find, [table] * find.replace("%%s", "").count("%s"))
        found = cursor.fetchall()
        for name, kind, _ in found:
            cursor.execute(drop.format(table=table, kind=kind, name=name))
        if connection.vendor == "sqlite":
            for text in texts:
                cursor.execute(f"DROP TRIGGER IF EXISTS {text.name}_added")
    yield
    with connection.cursor() as cursor:
        cursor.execute(prepare)
        for *_, definition in found:
            cursor.execute(definition)
        for text in texts:
            text_index.ensure(text, connection.alias)
        cursor.execute(put_back)


_STATEMENTS = {
    "sqlite": (
        "SELECT name, 'INDEX', sql FROM sqlite_master "
        "WHERE type = 'index' AND tbl_name = %s AND sql NOT LIKE 'CREATE UNIQUE%%'",
        'DROP {kind} "{name}"',
        f"PRAGMA cache_size = {SQLITE_CACHE}",
        "PRAGMA cache_size = -16000",
    ),
    "postgresql": (
        "SELECT indexname, 'INDEX', indexdef FROM pg_indexes WHERE schemaname = ANY(current_schemas(false)) "
        "AND tablename = %s AND indexdef NOT LIKE 'CREATE UNIQUE%%' "
        "UNION ALL SELECT conname, 'KEY', format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, "
        "conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass",
        "DO $$ BEGIN IF '{kind}' = 'INDEX' THEN DROP INDEX \"{name}\"; "
        'ELSE ALTER TABLE "{table}" DROP CONSTRAINT "{name}"; END IF; END $$',
        f"SET LOCAL maintenance_work_mem = '{POSTGRESQL_MEMORY}'",
        "SET LOCAL maintenance_work_mem = DEFAULT",
    ),
}
