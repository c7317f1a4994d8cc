"""Searching rows for words through an index of three-letter groups: pg_trgm on PostgreSQL, FTS5 on SQLite.

The index holds one folded text (folding.py) for each row, with a line for each searched column. It only finds rows that
may match; `Term.exact` decides. It is created after each `migrate` if it or a part of it is missing: SQLite drops the
triggers of a table that a migration creates anew. This module knows no model: an index names its table and columns.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import re
from collections.abc import Iterable
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, Q, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from activity import folding
from activity.folding import FUNCTION, fold, folded_in_sqlite

MOST_WORDS = 8
WAITING = 64  # new rows are put into the index together when there are so many, on SQLite; each search reads them
# PostgreSQL makes groups of letters and digits only. It can also find a shorter word if the text shows where that word
# begins and ends, like the 2 in 10.2.3.4. Source: its manual, "pg_trgm".
LONG = re.compile(r"[^\W_]{3}|[\W_][^\W_]+[\W_]")


@dataclasses.dataclass(frozen=True, slots=True)
class TextIndex:
    """The columns of a table that are searched together. `addresses` names those that hold IP addresses."""

    table: str
    columns: tuple[str, ...]
    addresses: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of the index on PostgreSQL, or of the table that holds it on SQLite."""
        return f"{self.table}_words"


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """One word that a row must contain, in any of its folded `forms`.

    `exact` is the condition that decides. `elsewhere` is the part of it that asks for data outside of the index.
    """

    forms: tuple[str, ...]
    exact: Q
    elsewhere: Q = dataclasses.field(default_factory=Q)

    @property
    def is_long(self) -> bool:
        """Return whether each form is long enough to be looked up in the index."""
        return all(LONG.search(form) for form in self.forms)


@dataclasses.dataclass(frozen=True, slots=True)
class Search:
    """Rows that contain all of these words. Without an index, all rows that the other filters leave are read.

    `most_read` is how many the other filters may leave at most, where each takes long to read; 0 is no limit.
    """

    terms: tuple[Term, ...]
    index: TextIndex | None = None
    most_read: int = 0

    def exact(self) -> Q:
        """Return the condition that rows must meet."""
        return functools.reduce(operator.and_, (term.exact for term in self.terms))

    def has_index(self, database: str) -> bool:
        """Return whether the database has an index of words."""
        return self.index is not None and is_ready(self.index, database)

    def is_indexed(self, database: str) -> bool:
        """Return whether the index helps to find these words."""
        return self.has_index(database) and any(term.is_long for term in self.terms)

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that may contain all the words, as far as the index can tell; exact() must decide."""
        if self.index is not None and self.is_indexed(queryset.db):
            for term in self.terms:
                if term.is_long:
                    held = (Q(_Holds(self.index, form)) for form in term.forms)
                    queryset = queryset.filter(functools.reduce(operator.or_, held, term.elsewhere))
        return queryset

    def applied(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that contain all the words, found by the index where it helps."""
        return self.narrowed(queryset).filter(self.exact())


def words_of(text: str) -> list[str]:
    """Return the folded words of a search, at most MOST_WORDS."""
    return fold(text).split()[:MOST_WORDS]


def held_by(paths: Iterable[str], word: str) -> Q:
    """Return the condition that any of these fields contains `word`, ignoring case and accents."""
    return functools.reduce(operator.or_, (Q(**{f"{path}__folded_contains": word}) for path in paths))


class _Holds(Func):
    """The condition that a row's text may contain a word.

    It is true for all rows that do. On SQLite it is also true for rows that only contain each three-letter group of it.
    """

    output_field = BooleanField()

    def __init__(self, index: TextIndex, word: str) -> None:
        super().__init__(F("pk"), *map(F, index.columns))
        self.index, self.word = index, word

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        """Write exactly the expression that the index was created with, so that PostgreSQL uses it."""
        columns = [compiler.compile(column)[0] for column in self.get_source_expressions()[1:]]
        held = _postgresql_text(self.index, columns)
        return f"{held} LIKE {FUNCTION}(%s)", (f"%{connection.ops.prep_for_like_query(self.word)}%",)

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        """Select the ids from the index, whose row numbers are the ids of the table, and those that still wait."""
        pk, _ = compiler.compile(self.get_source_expressions()[0])
        groups = dict.fromkeys(self.word[start : start + 3] for start in range(len(self.word) - 2))
        match = " AND ".join('"{}"'.format(group.replace('"', '""')) for group in groups)
        name = self.index.name
        held = f"SELECT rowid FROM {name} WHERE {name} MATCH %s UNION ALL SELECT id FROM {name}_waiting"  # noqa: S608 - our own names
        return f"{pk} IN ({held})", (match,)


def _postgresql_text(index: TextIndex, columns: Iterable[str]) -> str:
    shown = (
        f"COALESCE(HOST({column}), '')" if name in index.addresses else f"{FUNCTION}({column})"
        for name, column in zip(index.columns, columns, strict=True)
    )
    return f"({' || chr(10) || '.join(shown)})"


# --- creating the index


def is_ready(index: TextIndex, database: str = "default") -> bool:
    """Return whether the database has the index. Each process asks the database only once."""
    return _is_there(index, database)


@functools.cache  # every search calls this, and the answer costs a query; there are only four indexes
def _is_there(index: TextIndex, database: str) -> bool:
    connection = connections[database]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [index.name])
            return bool(cursor.fetchone()[0])
        cursor.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = %s", [index.name])
        return bool(cursor.fetchone()[0])


def ensure(index: TextIndex, database: str = "default") -> bool:
    """Create the missing parts of the index, from all rows of the table. Return whether the index exists now.

    PostgreSQL may have no pg_trgm, or may not allow to install it. SQLite may have been built without FTS5.
    """
    connection = connections[database]
    try:
        with transaction.atomic(using=database):
            folding.install(connection)
    except DatabaseError:
        return False  # another role owns the function; searching works without the index, as below
    if index.table not in connection.introspection.table_names():
        return False
    make = _ensure_postgresql if connection.vendor == "postgresql" else _ensure_sqlite
    try:
        with transaction.atomic(using=database):
            make(connection, index)
    except DatabaseError:
        return False  # searching works without the index but reads more rows; `check` and `doctor` say so
    finally:
        _is_there.cache_clear()
    return True


def _ensure_postgresql(connection: BaseDatabaseWrapper, index: TextIndex) -> None:
    text = _postgresql_text(index, (f'"{column}"' for column in index.columns))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef(to_regclass(%s))", [index.name])
        if FUNCTION in (cursor.fetchone()[0] or ""):
            return
        cursor.execute(f"DROP INDEX IF EXISTS {index.name}")  # an older version folded texts in another way
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        # New rows wait in a list that every search reads through, so this keeps the list short.
        cursor.execute(
            f"CREATE INDEX {index.name} ON {index.table} USING gin (({text}) gin_trgm_ops) "
            "WITH (gin_pending_list_limit = 512)"
        )


def _ensure_sqlite(connection: BaseDatabaseWrapper, index: TextIndex) -> None:
    name, triggers = index.name, sqlite_triggers(index)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE %s", [f"{name}%"])
        there = dict(cursor.fetchall())
        if name in there and all(there.get(trigger) == sql for trigger, sql in triggers.items()):
            return
        for trigger in triggers:
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        cursor.execute(f"DROP TABLE IF EXISTS {name}_waiting")
        cursor.execute(f"CREATE TABLE {name}_waiting (id INTEGER PRIMARY KEY)")
        cursor.execute(f"DROP TABLE IF EXISTS {name}")
        cursor.execute(
            f"CREATE VIRTUAL TABLE {name} USING fts5(text, content='', columnsize=0, detail=none, tokenize='trigram')"
        )
        cursor.execute(
            f"INSERT INTO {name}(rowid, text) SELECT id, {_sqlite_text(index, '')} FROM {index.table}"  # noqa: S608 - our own names
        )
        for sql in triggers.values():
            cursor.execute(sql)


def _sqlite_text(index: TextIndex, row: str) -> str:
    columns = (f'{row}"{column}"' for column in index.columns)
    return " || char(10) || ".join(f"COALESCE({folded_in_sqlite(column)}, '')" for column in columns)


def sqlite_triggers(index: TextIndex) -> dict[str, str]:
    """Return the triggers that update the index when rows are added, changed or deleted.

    To remove a row, FTS5 must be given the same text with which the row was added. New rows wait until there are
    WAITING of them, because FTS5 writes a part of the index for each transaction and merges the parts later. For
    single rows that took ten times as long as to write the entry with all its other indexes.
    """
    name, table, waiting = index.name, index.table, f"{index.name}_waiting"
    old, new, text = (_sqlite_text(index, row) for row in ("OLD.", "NEW.", "added."))
    are_many = f"(SELECT COUNT(*) FROM {waiting}) >= {WAITING}"  # noqa: S608 - our own names, here and below
    is_in = f"NOT EXISTS (SELECT 1 FROM {waiting} WHERE id = OLD.id)"  # noqa: S608
    wait = f"INSERT INTO {waiting} VALUES (NEW.id);"  # noqa: S608
    put = (
        f"INSERT INTO {name}(rowid, text) SELECT added.id, {text} FROM {waiting} AS new "  # noqa: S608
        f"CROSS JOIN {table} AS added ON added.id = new.id WHERE {are_many};"
    )
    take = f"INSERT INTO {name}({name}, rowid, text) SELECT 'delete', OLD.id, {old} WHERE {is_in};"
    add = f"INSERT INTO {name}(rowid, text) SELECT NEW.id, {new} WHERE {is_in};"
    forget = f"DELETE FROM {waiting} WHERE"  # noqa: S608
    columns = ", ".join(f'"{column}"' for column in index.columns)
    return {
        f"{name}_added": (
            f"CREATE TRIGGER {name}_added AFTER INSERT ON {table} BEGIN {wait} {put} {forget} {are_many}; END"
        ),
        f"{name}_deleted": (
            f"CREATE TRIGGER {name}_deleted AFTER DELETE ON {table} BEGIN {take} {forget} id = OLD.id; END"
        ),
        f"{name}_changed": (
            f"CREATE TRIGGER {name}_changed AFTER UPDATE OF {columns} ON {table} "
            f"WHEN {old} IS NOT {new} BEGIN {take} {add} END"
        ),
    }
