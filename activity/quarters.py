"""Quarters of an hour, counted by the database itself.

Every zone is whole quarters of an hour away from UTC (Nepal 5:45, Chatham 12:45), so that hours, days and months of
any zone are made of whole quarters. Source: the zone database; local mean times before 1972 are the exception.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Func
from django.db.models.sql.compiler import SQLCompiler

QUARTER = 15 * 60  # seconds
QUARTERS_A_DAY = 86400 // QUARTER


class Quarter(Func):
    """The number of the quarter of an hour that a time lies in, since 1970 in UTC."""

    output_field = BigIntegerField()

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        """SQLite keeps times as text in UTC, and strftime reads them; without the fraction, which it would round up."""
        # Percent signs: doubled once for this template, once for the parameters of the query.
        template = f"CAST(strftime('%%%%s', substr(%(expressions)s, 1, 19)) AS INTEGER) / {QUARTER}"
        return super().as_sql(compiler, connection, template=template, **extra)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        """PostgreSQL keeps times as such. A double, exact for these numbers: EXTRACT makes a numeric, which is slow."""
        template = f"FLOOR(DATE_PART('epoch', %(expressions)s) / {QUARTER})::bigint"
        return super().as_sql(compiler, connection, template=template, **extra)
