"""SQL expressions with which the database itself writes the cells of a download. `Column.expression` holds them.

They write the same text as neutral() in csv.py. If a spreadsheet might misread a text, the expression only marks it,
and database_csv.py passes it to neutral().
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BooleanField,
    DateTimeField,
    DurationField,
    F,
    Field,
    Func,
    GenericIPAddressField,
    IntegerField,
    JSONField,
    QuerySet,
    TextField,
)
from django.db.models.expressions import Combinable
from django.db.models.sql.compiler import SQLCompiler

Sql = tuple[str, tuple[Any, ...]]

MARK = "\x01"  # before a cell that Python must check; plain() removes control characters from all texts
# ASCII characters that may begin a formula, or come before one. All of them sort before the letters. Control characters
# and characters beyond ASCII are found by database_csv.py, wherever they are in the text.
SUSPECT_STARTS = f' "=+@{MARK}-'
FEW = 8  # so many numbers are compared one by one, which is faster than looking them up


class Cell(Func):
    """One cell. `is_text` says that it may hold suspect text, which neutral() must see."""

    output_field = TextField()
    arity = 1
    is_text = False
    is_json = False

    def _source(self, compiler: SQLCompiler) -> Sql:
        sql, parameters = compiler.compile(self.get_source_expressions()[0])
        return sql, tuple(parameters)


class Text(Cell):
    """Unchanged text, marked if its first character is suspect. Text that begins with a Latin letter is not."""

    is_text = True

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Write NULL for empty text, since COPY would write two quotation marks."""
        return _marked_postgresql(*self._source(compiler))

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Compare by GLOB, which knows the same sets of characters."""
        return _marked_sqlite(*self._source(compiler))


def _marked_postgresql(sql: str, parameters: tuple[Any, ...]) -> Sql:
    text = (
        f"CASE WHEN {sql} COLLATE \"C\" >= 'A' THEN {sql} WHEN {sql} = '' THEN NULL "
        f"WHEN {sql} ~ %s THEN chr(1) || {sql} ELSE {sql} END"
    )
    return text, (*parameters * 4, f"^[{SUSPECT_STARTS}]", *parameters * 2)


def _marked_sqlite(sql: str, parameters: tuple[Any, ...]) -> Sql:
    text = f"CASE WHEN {sql} >= 'A' THEN {sql} WHEN {sql} GLOB %s THEN char(1) || {sql} ELSE COALESCE({sql}, '') END"
    return text, (*parameters * 3, f"[{SUSPECT_STARTS}]*", *parameters * 2)


class Number(Cell):
    """A number as it is, or nothing."""

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *args: Any, **extra: Any) -> Sql:
        """Write the number as it is, which all databases do alike."""
        return self._source(compiler)


class Moment(Cell):
    """A time in UTC as ISO 8601, as short as it is exact."""

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Write the time as PostgreSQL does, in ISO form.

        to_char() takes three times as long, and UTC by its name would be looked up for each row.
        """
        sql, parameters = self._source(compiler)
        return f"REPLACE(({sql} AT TIME ZONE INTERVAL '0')::text, ' ', 'T') || '+00:00'", parameters

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Shorten the text that Django keeps: a time in UTC with six digits of a second or none."""
        sql, parameters = self._source(compiler)
        short = f"IIF(LENGTH({sql}) = 26, RTRIM({sql}, '0'), {sql})"
        return f"COALESCE(REPLACE({short}, ' ', 'T') || '+00:00', '')", parameters * 3


class Seconds(Cell):
    """A duration in whole seconds; halves go to the even one, as in Python."""

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Round a double, since round() of a numeric does not go to the even number."""
        sql, parameters = self._source(compiler)
        return f"ROUND(EXTRACT(EPOCH FROM {sql})::double precision)::bigint", parameters

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Compute from the microseconds that Django keeps; no duration here is negative."""
        sql, parameters = self._source(compiler)
        text = f"COALESCE(({sql} + 500000) / 1000000 - ({sql} %% 2000000 = 500000), '')"
        return text, parameters * 2


class Address(Text):
    """An expression for a column that holds an IP address or nothing."""

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Write the address as it is: its type holds nothing else."""
        return self._source(compiler)


class Json(Text):
    """JSON on one line, with letters instead of escapes; empty where there is nothing in it."""

    is_json = True

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Write the JSON as it is: PostgreSQL keeps letters."""
        sql, parameters = self._source(compiler)
        return f"CASE WHEN {sql} <> '{{}}'::jsonb THEN {sql}::text END", parameters * 2

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Mark JSON with escapes, as json.dumps() wrote them, so that it is written anew."""
        sql, parameters = self._source(compiler)
        text = f"CASE {sql} WHEN '{{}}' THEN '' ELSE IIF(INSTR({sql}, '\\'), char(1), '') || {sql} END"
        return f"COALESCE({text}, '')", parameters * 3


class Named(Text):
    """A choice by its name; what has none, as it is."""

    def __init__(self, expression: str | Combinable, names: Mapping[Any, str]) -> None:
        super().__init__(expression)
        self.names = {str(key): name for key, name in names.items()}
        self._numbers = [key for key in names if isinstance(key, int)]

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Look the name up in an object, since a hundred comparisons for each row are slow; compare a few numbers."""
        sql, parameters = self._source(compiler)
        other, other_parameters = _marked_postgresql(f"({sql})::text", parameters)
        if 0 < len(self._numbers) <= FEW:
            cases = "WHEN %s THEN %s " * len(self._numbers)
            pairs = tuple(value for key in self._numbers for value in (int(key), self.names[str(key)]))
            return f"CASE {sql} {cases}ELSE {other} END", (*parameters, *pairs, *other_parameters)
        return f"COALESCE(%s::jsonb ->> {sql}::text, {other})", (json.dumps(self.names), *parameters, *other_parameters)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Sql:
        """Compare one by one, since SQLite's JSON is slower."""
        sql, parameters = self._source(compiler)
        cases = "WHEN %s THEN %s " * len(self.names)
        pairs = tuple(text for pair in self.names.items() for text in pair)
        other, other_parameters = _marked_sqlite(sql, parameters)
        return f"CASE CAST({sql} AS TEXT) {cases}ELSE {other} END", (*parameters, *pairs, *other_parameters)


class Given(Text):
    """One of two words: whether there is a value."""

    def __init__(self, expression: str | Combinable, *, there: str, missing: str) -> None:
        super().__init__(expression)
        self.words = (there, missing)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *args: Any, **extra: Any) -> Sql:
        """Write one of the two words, on all databases alike."""
        sql, parameters = self._source(compiler)
        return f"CASE WHEN {sql} IS NOT NULL THEN %s ELSE %s END", (*parameters, *self.words)

    as_postgresql = as_sqlite = as_sql


class YesNo(Cell):
    """Yes or no; empty where it is not known."""

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *args: Any, **extra: Any) -> Sql:
        """Write the same words as neutral()."""
        sql, parameters = self._source(compiler)
        return f"CASE WHEN {sql} THEN 'yes' WHEN NOT {sql} THEN 'no' ELSE '' END", parameters * 2


_BY_FIELD: tuple[tuple[type[Field[Any, Any]], type[Cell]], ...] = (
    (BooleanField, YesNo),
    (DateTimeField, Moment),
    (DurationField, Seconds),
    (GenericIPAddressField, Address),
    (JSONField, Json),
    (IntegerField, Number),
)


def cell_of(rows: QuerySet[Any], expression: str | Combinable | Callable[[], Combinable]) -> Cell:
    """Return the cell of a field or annotation, by its path and after its kind; a Cell as it is; else text."""
    if callable(expression):
        expression = expression()
    if isinstance(expression, Cell):
        return expression
    if not isinstance(expression, str):
        return Text(expression)
    field = _field(rows, expression)
    for kind, cell in _BY_FIELD:
        if isinstance(field, kind):
            return cell(F(expression))
    return Text(F(expression))


def _field(rows: QuerySet[Any], path: str) -> Any:
    if path in rows.query.annotations:
        return rows.query.annotations[path].output_field
    *steps, name = path.split("__")
    model = rows.model
    for step in steps:
        model = model._meta.get_field(step).related_model
    return model._meta.pk if name == "pk" else model._meta.get_field(name)
