"""Reads pages by keyset: the rows whose (sort column, id) comes after or before that of a row.

It needs neither COUNT nor OFFSET. NULLs come last in both directions. Except for the queryset that it is given, this is
pure. Source of the method: use-the-index-luke.com, "Paging through results".
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BigIntegerField,
    BooleanField,
    DateTimeField,
    F,
    Field,
    Func,
    Model,
    Q,
    QuerySet,
    Value,
)
from django.db.models.expressions import Col
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.where import AND, WhereNode

from activity.listing.cursors import cursor_to, read_cursor


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """How rows are sorted: by the field at `path`, then by id, both in the same direction."""

    path: str
    is_descending: bool
    is_of_few: bool = False  # no index has this order, so it is offered for few rows only


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page in display order, and the cursors to the previous and the next page (empty: there is none)."""

    rows: Sequence[Any]
    previous: str
    next: str


def read_page(
    queryset: QuerySet[Any],
    order: Order,
    size: int,
    *,
    after: str = "",
    before: str = "",
    last: bool = False,
    is_few: bool = False,
) -> Page:
    """Return the page of `size` rows after or before a cursor, or the first, or the last.

    Rows with a value and rows without one are read as two parts, one after the other, because no index of PostgreSQL
    holds both in display order. So there are at most two queries. `is_few` says that few rows match the filters: then
    they are found by the filters and sorted, instead of reading the list in its order until enough rows match.

    Raise BadListRequest for a cursor that this list did not make.
    """
    is_backward = bool(before) or last
    rows: list[Any] = []
    for part, path in parts_of(queryset, order, cursor_of(queryset, order, after or before), is_backward):
        by = within(queryset, path, order.is_descending != is_backward, is_few=is_few)
        rows += read_part(queryset, narrowed(queryset, part), by, size + 1 - len(rows))
        if len(rows) > size:
            break
    return page_of(rows, order, size, has_before=bool(after), has_after=bool(before), is_backward=is_backward)


def read_part(queryset: QuerySet[Any], part: QuerySet[Any], by: list[Any], count: int) -> list[Any]:
    """Return the first `count` rows of `part` of `queryset` in that order.

    Rows may be selected by one of several conditions (`alternatives`: an entry's actor or its user). Each condition
    gets its own query, because with an OR no database reads an index in the order of the list; it would sort all rows.
    """
    alternatives: tuple[Q, ...] = getattr(queryset, "alternatives", ())
    if not alternatives:
        return list(part.order_by(*by)[:count])
    found = {
        pk
        for alternative in alternatives
        for pk in narrowed(part, alternative).order_by(*by).values_list("pk", flat=True)[:count]
    }
    return list(queryset.filter(pk__in=found).order_by(*by)[:count])


def page_of(rows: list[Any], order: Order, size: int, *, has_before: bool, has_after: bool, is_backward: bool) -> Page:
    """Return the page of `rows`, which are in reading direction, and one more than `size` if the list goes on.

    `has_before` and `has_after` say that rows were read from a cursor on, so that there are rows on its other side.
    """
    has_more = len(rows) > size
    rows = rows[:size]
    if is_backward:
        rows.reverse()
    has_previous = has_more if is_backward else has_before
    has_next = has_after if is_backward else has_more
    return Page(
        rows,
        _encode(order, rows[0]) if rows and has_previous else "",
        _encode(order, rows[-1]) if rows and has_next else "",
    )


def parts_of(
    queryset: QuerySet[Any], order: Order, cursor: tuple[Any, int] | None, is_backward: bool
) -> list[tuple[Q, str]]:
    """Return the parts that are still to be read, in reading direction: which rows, and the field that sorts them.

    Rows with a value come first on the screen; those without one follow in the order of their ids.
    """
    path, is_descending = order.path, order.is_descending != is_backward
    if not _may_be_null(queryset, path):
        return [(_past(queryset, path, cursor, is_descending) if cursor else Q(), path)]
    known, unknown = Q(**{f"{path}__isnull": False}), Q(**{f"{path}__isnull": True})
    if cursor is not None and cursor[0] is None:
        unknown &= _past(queryset, "pk", cursor, is_descending)
    elif cursor is not None:
        known &= _past(queryset, path, cursor, is_descending)
    parts = [(known, path), (unknown, "pk")]
    if is_backward:
        parts.reverse()
    if cursor is not None and (cursor[0] is None) != is_backward:
        del parts[0]  # the cursor is in the second part
    only = _null_as_filtered(queryset.query.where, path)
    return [part for part in parts if only is None or (part[1] == "pk") == only]


def _null_as_filtered(where: WhereNode, path: str) -> bool | None:
    """Return whether a filter asks for rows without a value (True), with one (False) or for neither (None).

    PostgreSQL does not notice that no row fits both the filter and the other part, and would read the whole table.
    """
    if where.connector != AND or where.negated:
        return None
    for child in where.children:
        if isinstance(child, IsNull) and isinstance(child.lhs, Col) and child.lhs.target.name == path:
            return bool(child.rhs)
        if isinstance(child, WhereNode) and (found := _null_as_filtered(child, path)) is not None:
            return found
    return None


def _past(queryset: QuerySet[Any], path: str, cursor: tuple[Any, int], is_descending: bool) -> Q:
    """Return the condition for rows strictly past the cursor."""
    return compared_to_cursor(queryset, path, cursor, "<" if is_descending else ">")


def narrowed(queryset: QuerySet[Any], place: Q) -> QuerySet[Any]:
    """Return the rows at that place of the list, with this condition before all others.

    SQLite begins to read an index at the first bound in the conditions. The period of the log, for example, can begin a
    million rows earlier than the page (measured: 350 ms instead of 6 ms).
    """
    count = len(queryset.query.where.children)
    rows = queryset.filter(place)
    children = rows.query.where.children
    children[:] = children[count:] + children[:count]
    return rows


def compared_to_cursor(queryset: QuerySet[Any], path: str, cursor: tuple[Any, int], sign: str) -> Q:
    """Return a condition for rows whose (field, id) compares to the cursor by `sign`: <, >, <= or >=."""
    value, pk = cursor
    if path == "pk":
        return Q(**{{"<": "pk__lt", ">": "pk__gt", "<=": "pk__lte", ">=": "pk__gte"}[sign]: pk})
    return Q(
        RowsPast(
            F(path),
            F("pk"),
            Value(value, output_field=_field(queryset, path)),
            Value(pk, output_field=BigIntegerField()),
            sign=sign,
        )
    )


class RowsPast(Func):
    """The comparison (column, id) < (value, id) as one comparison of row values.

    With it both databases begin to read an index at exactly that place, however many rows have the same value. Sources:
    PostgreSQL, "Row Constructor Comparison"; sqlite.org/rowvalue.html.
    """

    output_field = BooleanField()
    arity = 4

    def as_sql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        **extra_context: Any,
    ) -> tuple[str, tuple[str | int, ...]]:
        """Write the comparison with its parameters."""
        texts, parameters = zip(*map(compiler.compile, self.get_source_expressions()), strict=True)
        column, pk, value, number = texts
        sql = f"({column}, {pk}) {self.extra['sign']} ({value}, {number})"
        return sql, tuple(itertools.chain.from_iterable(parameters))


def cursor_of(queryset: QuerySet[Any], order: Order, text: str) -> tuple[Any, int] | None:
    """Return the value and the id that a cursor holds, or None without a cursor. Raise BadListRequest for a bad one."""
    return read_cursor(text, _field(queryset, order.path), queryset.db) if text else None


def within(part: QuerySet[Any], path: str, is_descending: bool, *, is_few: bool = False) -> list[Any]:
    """Return the order of one part in reading direction, by that field and by id."""
    paths = ["pk"] if path == "pk" else [path, "pk"]
    # COALESCE(x, x) equals x, but no database uses an index for it.
    columns = [Coalesce(each, each) if is_few else F(each) for each in paths]
    ordered = [column.desc() if is_descending else column.asc() for column in columns]
    if not is_few and connections[part.db].vendor == "sqlite" and _may_be_null(part, path):
        # If SQLite is told the place of rows without a value, it skips them in one step; it need not read any of them.
        ordered[0] = F(path).desc(nulls_last=True) if is_descending else F(path).asc(nulls_last=True)
    return ordered


def ordering(queryset: QuerySet[Any], order: Order, *, is_backward: bool = False) -> list[Any]:
    """Return the arguments of order_by() for all rows of a download, also those without a value."""
    descending = order.is_descending != is_backward
    if order.path == "pk":
        return ["-pk" if descending else "pk"]
    # NULLs are displayed last, so they come first when reading backward. Do not mention NULLs if there can be none:
    # PostgreSQL cannot read DESC NULLS LAST from an ordinary index (measured with 500,000 rows: 127 ms, else 1 ms).
    nulls = {}
    if _may_be_null(queryset, order.path):
        nulls = {"nulls_first": True} if is_backward else {"nulls_last": True}
    field = F(order.path)
    return [field.desc(**nulls) if descending else field.asc(**nulls), "-pk" if descending else "pk"]


def _may_be_null(queryset: QuerySet[Any], path: str) -> bool:
    """Return whether the value may be NULL, as in annotations and in fields of related rows."""
    return path in queryset.query.annotations or "__" in path or bool(_field(queryset, path).null)


def _field(queryset: QuerySet[Any], path: str) -> Field[Any, Any]:
    annotation = queryset.query.annotations.get(path)
    if annotation is not None:
        return annotation.output_field
    model: type[Model] = queryset.model
    if path == "pk":
        return model._meta.pk
    *steps, name = path.split("__")
    for step in steps:
        model = model._meta.get_field(step).related_model  # type: ignore[assignment]  # a path leads through neighbours
    try:
        return model._meta.get_field(name)  # type: ignore[return-value]  # what is sorted by is a field
    except FieldDoesNotExist as error:  # a mistake in a table's declaration, found by its first test
        raise LookupError(f"{queryset.model.__name__} has no field {path!r} to sort by") from error


def _value(row: Any, path: str) -> Any:
    for step in path.split("__"):
        row = getattr(row, step) if row is not None else None
    return row


def is_by_time(queryset: QuerySet[Any], order: Order) -> bool:
    """Return whether the rows are sorted by a time."""
    return isinstance(_field(queryset, order.path), DateTimeField)


def _encode(order: Order, row: Any) -> str:
    return cursor_to(_value(row, order.path), row.pk)
