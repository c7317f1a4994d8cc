"""Empties the database after a test with real transactions, so that the next one finds it as after `migrate`.

Django truncates every table and has the content types, permissions and groups made again, which takes longer than most
tests do. Here only tables that hold rows are emptied, and what `migrate` makes stays while it is as it was made. When a
test changed some of that, Django does it.
"""

from __future__ import annotations

from typing import Any

from django.db import OperationalError, connection, transaction
from django.test import TestCase, TransactionTestCase
from psycopg.errors import DeadlockDetected

from activity import append_only

MADE_BY_MIGRATE = ["auth_group", "auth_group_permissions", "auth_permission", "django_content_type"]

FIRST_AGAIN = "SELECT setval(pg_get_serial_sequence('activity_logentry', 'id'), 1, false)"
AFTER_THE_NEWEST = FIRST_AGAIN.replace("1, false", "(SELECT COALESCE(MAX(id), 0) + 1 FROM activity_logentry), false")
FIRST_AGAIN_ON_SQLITE = "DELETE FROM sqlite_sequence WHERE name = 'activity_logentry'"
SWITCH = "ALTER TABLE activity_logentry {} TRIGGER activity_log_no_change"

Rows = dict[str, list[tuple[Any, ...]]]
# django-stubs do not know Django's own steps.
_django_empties = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
_django_rolls_back = TestCase._fixture_teardown  # type: ignore[attr-defined]
_as_made: Rows = {}


def empty(test: TransactionTestCase) -> None:
    """Empty the tables after a test. conftest.py replaces the step of TransactionTestCase by this one."""
    if not _as_made or _made_by_migrate() != _as_made:
        append_only.remove(connection)
        _django_empties(test)
        empty_tables()  # what was written of the triggers that were missed, and are there again
        _as_made.update(_made_by_migrate())
    else:
        empty_tables()


def roll_back(test: TestCase) -> None:
    """Undo the transaction of a test in TestCase's own step, and number log entries from the newest one on again.

    PostgreSQL does not roll numbers back, and `doctor` misses entries when the newest is far below the last number.
    """
    _django_rolls_back(test)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(AFTER_THE_NEWEST)


def _made_by_migrate() -> Rows:
    with connection.cursor() as cursor:
        found = {}
        for table in MADE_BY_MIGRATE:
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")  # noqa: S608 - a constant
            found[table] = cursor.fetchall()
        return found


def empty_tables() -> None:
    """Delete all rows but those of MADE_BY_MIGRATE.

    What a test left running may still write: where PostgreSQL ends us for its sake, begin again.
    """
    for tries_left in range(4, -1, -1):
        try:
            return _delete_rows_at_once()
        except OperationalError as error:
            if not tries_left or not isinstance(error.__cause__, DeadlockDetected):
                raise


def _delete_rows_at_once() -> None:
    names = sorted(set(connection.introspection.django_table_names(include_views=False)) - set(MADE_BY_MIGRATE))
    holding_rows = " UNION ALL ".join(f"SELECT '{one}' WHERE EXISTS (SELECT 1 FROM {one})" for one in names)  # noqa: S608
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # wait for whoever still writes; on SQLite everybody does anyway
            cursor.execute(f"LOCK TABLE {', '.join(names)} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(holding_rows)
        filled = [name for (name,) in cursor.fetchall()]
        is_sqlite, trigger = connection.vendor == "sqlite", append_only.SQLITE["activity_log_no_delete"][1]
        if append_only.LOG in filled:  # which lets its rows go only so
            cursor.execute("DROP TRIGGER activity_log_no_delete" if is_sqlite else SWITCH.format("DISABLE"))
        for name in filled:
            cursor.execute(f"DELETE FROM {name}")  # noqa: S608 - a table of ours
        if append_only.LOG in filled:
            cursor.execute(trigger if is_sqlite else SWITCH.format("ENABLE"))
            cursor.execute(FIRST_AGAIN_ON_SQLITE if is_sqlite else FIRST_AGAIN)  # else entries seem to be missing
