"""Check that everything that keeps the activity log append-only is in force, and restore it (append_only.py).

Whoever owns the database can remove this protection. The console cannot prevent that, but it finds out: `check`,
`doctor`, the page Health and each `migrate` look for it. `migrate` also restores what it can, and logs that it did.
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

LAST_MIGRATION = ("activity", "0011_erase_requests")
QUICKLY = 2_000  # entries whose times are compared where somebody waits for a page
THOROUGHLY = 200_000


def find_problems(database: str = "default", entries: int = THOROUGHLY) -> list[Problem]:
    """Return everything that is wrong with the protection of the log and, in the newest `entries`, with its rows.

    Return nothing for a database that `migrate` has not brought to this version yet. Raise the database's error if it
    does not answer; anything else that cannot be read is returned as a problem.
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
    """Restore what can be restored, and record each problem in the log.

    Return the problems that were found. Those that are repairable were restored; the others say what is left to do.
    """
    connection = connections[database]
    found = find_problems(database, QUICKLY)
    if not any(one.is_repairable for one in found):
        return found
    failed = _make_request_table(connection)
    with transaction.atomic(using=database):  # nothing is restored without an entry that says so
        failed += _put_back(connection)
        now = find_problems(database, QUICKLY)
        repaired = [one for one in found if one.is_repairable and one not in now]
        because = " ".join(dict.fromkeys(failed)) or "The database gave no reason."
        remedy = (
            f"It could not be put back: {because} Run sessionadmin migrate as the role that owns the table and its "
            "functions, or give them to the console's role (ALTER … OWNER TO). Then find out who changed the database."
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
    """Create the table of requests if it is gone. Return what failed.

    On SQLite this works outside of a transaction only.
    """
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
    """Run each step in its own transaction, so that the others are done if one is refused. Return what failed."""
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
