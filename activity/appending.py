"""Writes one entry of the log with a statement that is built only once, because that takes Django longer than the rest.

Only log.py calls this. Fields convert their values, a failure marks the transaction, and the entry gets its number, all
as in Model.save(). No signals are sent.
"""

from __future__ import annotations

import functools

from django.db import DatabaseError, connections, router, transaction

from activity.models import LogEntry

COLUMN = str(LogEntry._meta.pk.column)
FIELDS = [field for field in LogEntry._meta.concrete_fields if not field.primary_key]
SWALLOWED = (
    "The database dropped an entry of the activity log without an error: a trigger or rule on its table keeps "
    "entries from being written (run: sessionadmin check). What the entry is about was not done."
)


def append(entry: LogEntry) -> None:
    """Write `entry`, and give it its number.

    Raises what the database says, and TypeError for an entry that has been written already.
    """
    if entry.pk is not None:
        raise TypeError("The activity log is append-only; a log entry is never written twice.")
    alias = router.db_for_write(LogEntry, instance=entry)
    connection = connections[alias]
    with transaction.mark_for_rollback_on_error(using=alias), connection.cursor() as cursor:
        values = [field.get_db_prep_save(getattr(entry, field.attname), connection) for field in FIELDS]
        cursor.execute(_statement(alias), values)
        if connection.features.can_return_columns_from_insert:
            row = cursor.fetchone()
            if row is None:
                raise DatabaseError(SWALLOWED)
            (entry.pk,) = row
        else:  # SQLite before 3.35
            entry.pk = connection.ops.last_insert_id(cursor, LogEntry._meta.db_table, COLUMN)
    entry._state.adding, entry._state.db = False, alias


@functools.cache
def _statement(alias: str) -> str:
    connection = connections[alias]
    quoted = connection.ops.quote_name
    table, names = quoted(LogEntry._meta.db_table), ", ".join(quoted(str(field.column)) for field in FIELDS)
    statement = f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(FIELDS))})"  # noqa: S608 - our own names
    returns = connection.features.can_return_columns_from_insert
    return f"{statement} RETURNING {quoted(COLUMN)}" if returns else statement
