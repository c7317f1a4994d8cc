"""Check that everything which keeps the activity log append-only is in force, and put it back (append_only.py).

Who owns the database can take any of it away. That is not prevented here, but it is seen: by `check`, `doctor`, the
page Health and each `migrate`, which puts back what it can and writes into the log that it had to.
"""

from __future__ import annotations

import dataclasses

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

from activity import append_only, integrity_rows, integrity_tables, integrity_triggers, log
from activity.append_only import LOG, REQUEST
from activity.integrity_problems import Problem, attempted, execute, quoted, reason
from activity.models import Level, PruneRequest
from activity.text import plain
from activity.verbs import Verb

LAST_MIGRATION = ("activity", "0002_append_only_triggers")
QUICKLY = 2_000  # entries whose times are compared where somebody waits for a page
THOROUGHLY = 200_000


def find_problems(database: str = "default", entries: int = THOROUGHLY) -> list[Problem]:
    """Return everything that is wrong with the protection of the log and, in the newest `entries`, with its rows.

    Nothing is said of a database that `migrate` has not brought to this version yet. Raises what the database says when
    it does not answer; whatever else cannot be read is a problem that is returned.
    """
    connection = connections[database]
    if LAST_MIGRATION not in MigrationRecorder(connection).applied_migrations():
        return []
    found = attempted(connection, "The tables of the log", lambda: integrity_tables.missing(connection))
    parts = {
        "The triggers of the log": lambda: integrity_triggers.triggers(connection),
        "What may hide entries": lambda: integrity_triggers.hiding(connection),
        "The table of the log": lambda: integrity_tables.broken_numbers(connection),
        "What looks like the log": lambda: integrity_tables.looking_like_the_log(connection),
        "The requests of prune_activity": lambda: integrity_rows.requests(connection),
        "The numbers of entries": lambda: integrity_rows.numbers(connection),
        "The times of entries": lambda: integrity_rows.unreadable_times(connection, entries),
        "The order of entries": lambda: integrity_rows.dated_back(connection, entries),
    }
    if not found:
        found = [one for what, part in parts.items() for one in attempted(connection, what, part)]
    return [Problem(plain(one.text, 1000), plain(one.remedy, 1000)) for one in found]


def repair(database: str = "default") -> list[Problem]:
    """Put back what can be put back, and record each problem in the log.

    Return what was found: what can still be called mendable was put back, all else says what is left to do.
    """
    connection = connections[database]
    found = find_problems(database, QUICKLY)
    if not any(one.is_repairable for one in found):
        return found
    failed = _make_request_table(connection)
    with transaction.atomic(using=database):  # nothing is put back without an entry that says so
        failed += _put_back(connection)
        now = find_problems(database, QUICKLY)
        repaired = [one for one in found if one.is_repairable and one not in now]
        because = " ".join(dict.fromkeys(failed)) or "The database said nothing."
        remedy = (
            f"It could not be put back: {because} Run sessionadmin migrate as the role that owns the table and its "
            "functions, or give them to the console's role (ALTER … OWNER TO). Then find out who was at the database."
        )
        left = [dataclasses.replace(one, remedy=remedy) if one.is_repairable else one for one in now]
        left += [one for one in found if not one.is_repairable and one not in now]
        try:
            _record(connection, repaired, left)
        except DatabaseError as problem:
            remedy = f"It was put back, but the log took no entry about it: {reason(problem)}"
            repaired = [dataclasses.replace(one, remedy=remedy) for one in repaired]
    return [*repaired, *left]


def _record(connection: BaseDatabaseWrapper, repaired: list[Problem], left: list[Problem]) -> None:
    with transaction.atomic(using=connection.alias):
        for one in repaired:
            log.record(
                Verb.LOG_REPAIRED,
                f"The activity log was not protected, and is again: {one.text}",
                level=Level.ERROR,
                details={"database": connection.vendor, **({"left": [other.text for other in left]} if left else {})},
            )


def _make_request_table(connection: BaseDatabaseWrapper) -> list[str]:
    """Create the table of requests where it is gone: SQLite does it outside a transaction only. Return what failed."""
    try:
        if integrity_tables.exists(connection, REQUEST) or integrity_tables.other_case(connection, REQUEST):
            return []
        if integrity_tables.table_with_triggers(connection, REQUEST):
            return []
        if found := integrity_tables.view(connection, REQUEST):
            execute(connection, f"DROP {found[0]} {REQUEST}")
        with connection.schema_editor() as editor:
            editor.create_model(PruneRequest)
    except DatabaseError as problem:
        return [reason(problem)]
    return []


def _put_back(connection: BaseDatabaseWrapper) -> list[str]:
    """Do each step by itself, so that one that is refused does not keep the others from it. Return what failed."""
    failed = []
    steps = [*_renames(connection, LOG), *_renames(connection, REQUEST)]
    failed += _run(connection, steps)
    if not all(integrity_tables.exists(connection, table) for table in (LOG, REQUEST)) or integrity_tables.missing(
        connection
    ):
        return failed
    if connection.vendor == "postgresql":
        for table in integrity_triggers.secured(connection):
            failed += _run(connection, [f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"])
            failed += _run(connection, [f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"])
        for child, table in integrity_triggers.children(connection):
            failed += _run(connection, [f"ALTER TABLE {child} NO INHERIT {table}"])
    for statements in append_only.renewal(connection):
        failed += _run(connection, statements)
    return failed + _run(connection, [f"DELETE FROM {REQUEST}"])


def _renames(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """Return the statements that give a table its name back."""
    if integrity_tables.exists(connection, table):
        return []
    if other := integrity_tables.other_case(connection, table):  # SQLite takes both for one name, and refuses
        between = f"{table}_between"
        return [f"ALTER TABLE {quoted(other)} RENAME TO {between}", f"ALTER TABLE {between} RENAME TO {table}"]
    if name := integrity_tables.table_with_triggers(connection, table):
        found = integrity_tables.view(connection, table)
        drop = [f"DROP {found[0]} {table}"] if found else []
        return [*drop, f"ALTER TABLE {quoted(name)} RENAME TO {table}"]
    return []


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> list[str]:
    """Run all statements in one transaction. Return the reason if they failed."""
    try:
        with transaction.atomic(using=connection.alias):
            for statement in statements:
                execute(connection, statement)
    except DatabaseError as problem:
        return [reason(problem)]
    return []
