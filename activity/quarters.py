"""Quarters of an hour, counted by the database itself.

Every zone is whole quarters of an hour away from UTC (Nepal 5:45, Chatham 12:45), so that hours, days and months of
any zone are made of whole quarters. Source: the zone database; local mean times before 1972 are the exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Count, Func, Q, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from activity.models import Level, LogEntry

QUARTER = 15 * 60  # seconds
QUARTERS_A_DAY = 86400 // QUARTER

Counted = Iterable[tuple[int, int, int]]  # a quarter, its entries, and those of them that are warnings or errors


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


def by_quarter(entries: QuerySet[LogEntry], *also: str) -> QuerySet[LogEntry, Any]:
    """Group entries by the quarter of their times, and by other fields. The caller annotates what is counted."""
    return entries.order_by().annotate(quarter=Quarter("at")).values_list("quarter", *also)


def counted(entries: QuerySet[LogEntry]) -> Counted:
    """Return the counts by reading each entry once."""
    problems = Count("pk", filter=Q(level__gte=Level.WARNING))
    found: Counted = by_quarter(entries).annotate(total=Count("pk"), problems=problems)
    return found
