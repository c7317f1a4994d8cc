"""Queries that are built once and sent often, because Django needs more time to build the SQL than to run it.

A CompiledQuery keeps the SQL that Django wrote for its queryset, once for each database, and inserts other values. Its
only method is `rows()`, which returns what the queryset would return. This module knows no model.

Without it the log's page takes 39 % more CPU, that of sessions 34 % and that of logins 41 % (100,000 rows, SQLite,
without the login lookup). Most of that is the count of waiting approvals: 37, 25 and 28 %. So it is meant for queries
of every page or refresh, and for the gateway, which reads the state of its connections 20 times a second.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet

Value = str | int | dt.datetime
Row = tuple[Any, ...]
Converter = Callable[[Any, Any, BaseDatabaseWrapper], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Statement:
    """SQL with its parameters. A parameter has the name of a value, or an empty name if it is always the same.

    `converters` are Django's converters for those columns of the result that need one.
    """

    sql: str
    parameters: Sequence[tuple[str, Any]]
    converters: Sequence[tuple[int, Sequence[Converter], Any]]


class CompiledQuery:
    """A query whose SQL does not depend on the values.

    `build` gets the values by name and returns a queryset of `model` with values_list(). It is called once for each
    database, with sample values of these kinds. Where the samples appear among the parameters, rows() later inserts the
    real values. So `build` must pass the values on unchanged: it must neither test them nor compute with them.
    """

    def __init__(
        self,
        model: type[Model],
        build: Callable[..., QuerySet[Any, Any]],
        **kinds: type[str] | type[int] | type[dt.datetime],
    ) -> None:
        self._model, self._build, self._kinds = model, build, kinds
        self._samples = {name: _sample(kind, number) for number, (name, kind) in enumerate(kinds.items())}
        self._statements: dict[str, _Statement] = {}

    def rows(self, **values: Value) -> tuple[str, list[Row]]:
        """Return the alias of the database that was asked, and its rows.

        The queryset itself asks for values of other kinds, such as a UUID for a key.
        """
        alias = router.db_for_read(self._model)
        if any(type(value) is not self._kinds[name] for name, value in values.items()):
            return alias, list(self._build(**values).using(alias))
        connection = connections[alias]
        statement = self._statements.get(alias)
        if statement is None:
            statement = self._statements[alias] = self._written(alias)
        adapted = {name: _adapted(value, connection) for name, value in values.items()}
        parameters = [adapted[name] if name else constant for name, constant in statement.parameters]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, parameters)
            rows: list[Row] = cursor.fetchall()
        if statement.converters:
            rows = [_converted(row, statement.converters, connection) for row in rows]
        return alias, rows

    def _written(self, alias: str) -> _Statement:
        """Return the statement as Django writes it. Raises LookupError when it changed one of the values."""
        compiler = self._build(**self._samples).using(alias).query.get_compiler(alias)
        sql, parameters = compiler.as_sql()
        names = {_adapted(value, compiler.connection): name for name, value in self._samples.items()}
        placed = [(names.get(value, ""), value) for value in parameters]
        if missing := set(self._samples) - {name for name, _ in placed}:
            raise LookupError(f"A prepared query of {self._model.__name__} does not compare with {sorted(missing)}")
        converters = compiler.get_converters([column for column, _, _ in compiler.select])
        return _Statement(sql, placed, [(place, *rest) for place, rest in converters.items()])


def _sample(kind: type, number: int) -> Value:
    """Return a value that no other parameter has, so that its place in the SQL can be found."""
    if kind is dt.datetime:
        return dt.datetime(1234, 5, 6, 7, 8, 9, number, tzinfo=dt.UTC)
    text = str(1_987_654_000 + number)  # as a number it fits every column of numbers
    return text if kind is str else int(text)


def _adapted(value: Value, connection: BaseDatabaseWrapper) -> Any:
    """Return the value as Django hands it to the database."""
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, dt.datetime) else value


def _converted(
    row: Row, converters: Sequence[tuple[int, Sequence[Converter], Any]], connection: BaseDatabaseWrapper
) -> Row:
    """Return the row with its values as Python has them."""
    values = list(row)
    for place, functions, expression in converters:
        for function in functions:
            values[place] = function(values[place], expression, connection)
    return tuple(values)
