"""Check that the tables of the log exist and are the true ones: not renamed, hidden, or replaced by another."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from activity import append_only
from activity.append_only import LOG, REQUEST
from activity.integrity_problems import ASK, MOST_NAMED, Problem, ask, quoted
from activity.models import LogEntry

COLUMNS = [str(field.column) for field in LogEntry._meta.concrete_fields]
RESTORE = "Restore the database from a backup, and find out who changed it."
# A table of another console in the same database. Its tables have the same names, in a schema of their own.
OF_ANOTHER_CONSOLE = (
    "relname = %s AND to_regclass(quote_ident(nspname) || '.django_migrations') IS NOT NULL "
    "AND nspname <> current_schema()"
)


def missing(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Return the problems because of which the log cannot be read at all, so that nothing else can be checked."""
    return [one for table in (LOG, REQUEST) for one in _missing(connection, table)]


def _missing(connection: BaseDatabaseWrapper, table: str) -> list[Problem]:
    if exists(connection, table):
        return _stand_in(connection) if table == LOG else []
    if other := other_case(connection, table):
        return [Problem(f"The table {table} was renamed to {other}.")]
    covered = ""
    if found := view(connection, table):
        covered = f" A view stands in its place: {' '.join(found[1].split())[:300]}"
    if name := table_with_triggers(connection, table):
        return [Problem(f"The table {table} was renamed to {name}.{covered}")]
    if table == REQUEST:
        return [Problem(f"The table {table} is not there.{covered}")]
    text = f"The table {table} is not there: the log was removed.{covered}"
    if names := lookalikes(connection):
        text += f" The true log may be in {', '.join(names)}."
        take = f"DROP VIEW {table}; " if covered else ""
        return [Problem(text, f"{take}ALTER TABLE {names[0]} RENAME TO {table}; then run: sessionadmin migrate")]
    return [Problem(text, RESTORE)]


def _stand_in(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Return a problem if another table has the name of the log, while the triggers are on the true one."""
    with_triggers = tables_with_triggers(connection, LOG)
    if LOG in with_triggers:
        return []
    likely = [name for name in lookalikes(connection) if name.strip('"') in with_triggers]
    if not likely:
        return []
    text = f"The table {LOG} was renamed to {likely[0]}, and another table stands in its place. Nothing was protected."
    remedy = (
        f"Stop the console, then ALTER TABLE {LOG} RENAME TO {LOG}_copy; ALTER TABLE {likely[0]} RENAME TO {LOG}; and "
        f"run: sessionadmin migrate. What was written meanwhile is in {LOG}_copy."
    )
    return [Problem(text, remedy)]


def looking_like_the_log(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Return a problem when other tables look like the log and hold entries: one of them may be the true log."""
    if not (names := lookalikes(connection)):
        return []
    looks = f"{names[0]} looks" if len(names) == 1 else f"{', '.join(names[:MOST_NAMED])} look"
    return [
        Problem(
            f"{looks} like the activity log and {'holds' if len(names) == 1 else 'hold'} entries: somebody may "
            f"have moved the true log away and left a copy with fewer entries as {LOG}.",
            f"Compare it with {LOG}, and find out who made it. If it is nobody's log, move it to another database.",
        )
    ]


def lookalikes(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names, quoted where needed, of other tables that have all columns of the log and hold rows."""
    placeholders = ", ".join(["%s"] * len(COLUMNS))
    if connection.vendor == "sqlite":
        rows = ask(
            connection,
            "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table' "
            f"AND lower(m.name) <> %s AND m.sql NOT LIKE 'CREATE VIRTUAL%%' AND lower(c.name) IN ({placeholders}) "
            "GROUP BY m.name HAVING COUNT(*) = %s ORDER BY m.name LIMIT %s",
            [LOG, *COLUMNS, len(COLUMNS), MOST_NAMED],
        )
        names = [name if name.isidentifier() else quoted(name) for (name,) in rows]
    else:
        rows = ask(
            connection,
            "SELECT CASE WHEN nspname = current_schema() THEN quote_ident(relname) "
            "ELSE quote_ident(nspname) || '.' || quote_ident(relname) END AS name FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE relkind IN ('r', 'p', 'm', 'f') AND nspname !~ '^pg_' AND attnum > 0 AND NOT attisdropped "
            f"AND attname IN ({placeholders}) AND c.oid IS DISTINCT FROM to_regclass(%s) "
            f"AND NOT ({OF_ANOTHER_CONSOLE}) "
            "GROUP BY 1 HAVING COUNT(*) = %s ORDER BY 1 LIMIT %s",
            [*COLUMNS, LOG, LOG, len(COLUMNS), MOST_NAMED],
        )
        names = [name for (name,) in rows]
    return [name for name in names if ask(connection, f"SELECT 1 FROM {name} LIMIT 1")]


def exists(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Return whether there is a table of exactly that name. A view does not count."""
    if connection.vendor == "sqlite":
        return bool(ask(connection, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = %s", [table]))
    question = "SELECT 1 FROM pg_class WHERE oid = to_regclass(%s) AND relkind IN ('r', 'p')"
    return bool(ask(connection, question, [table]))


def other_case(connection: BaseDatabaseWrapper, table: str) -> str:
    """Return the table's name with other capital letters, if it was renamed so; SQLite treats both names as equal."""
    if connection.vendor != "sqlite":
        return ""
    question = "SELECT name FROM sqlite_master WHERE type = 'table' AND lower(name) = %s AND name <> %s"
    rows = ask(connection, question, [table, table])
    return str(rows[0][0]) if rows else ""


def view(connection: BaseDatabaseWrapper, table: str) -> tuple[str, str] | None:
    """Return the kind (as in DROP) and the text of a view that has the name of `table`."""
    if connection.vendor == "sqlite":
        question = "SELECT 'VIEW', sql FROM sqlite_master WHERE type = 'view' AND lower(name) = %s"
    else:
        question = (
            "SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END, pg_get_viewdef(oid) "
            "FROM pg_class WHERE oid = to_regclass(%s) AND relkind IN ('v', 'm')"
        )
    rows = ask(connection, question, [table])
    return (str(rows[0][0]), str(rows[0][1])) if rows else None


def table_with_triggers(connection: BaseDatabaseWrapper, table: str) -> str:
    """Return the name of the one table that has our triggers for `table`, or an empty string."""
    names = tables_with_triggers(connection, table)
    return names[0] if len(names) == 1 else ""


def tables_with_triggers(connection: BaseDatabaseWrapper, table: str) -> list[str]:
    """Return the names of all tables that have triggers with the names of ours for `table`."""
    if connection.vendor == "sqlite":
        names = [name for name, (of, _) in append_only.SQLITE.items() if of == table]
        placeholders = ", ".join(["%s"] * len(names))
        rows = ask(
            connection,
            "SELECT DISTINCT m.name FROM sqlite_master AS t JOIN sqlite_master AS m "
            "ON lower(m.name) = lower(t.tbl_name) "
            f"WHERE t.type = 'trigger' AND m.type = 'table' AND lower(t.name) IN ({placeholders})",
            names,
        )
    else:
        names = [name for name, (of, *_) in append_only.POSTGRESQL.items() if of == table]
        question = (
            "SELECT DISTINCT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE tgname = ANY(%s) AND relnamespace = current_schema()::regnamespace"
        )
        rows = ask(connection, question, [names])
    return [str(name) for (name,) in rows]


def broken_numbers(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Return a problem if the database does not number the entries by itself, as it does in the true table."""
    if connection.vendor == "sqlite":
        is_given = ask(
            connection, "SELECT 1 FROM sqlite_master WHERE name = %s AND upper(sql) LIKE '%%AUTOINCREMENT%%'", [LOG]
        )
    else:
        is_given = ask(connection, "SELECT 1 WHERE pg_get_serial_sequence(%s, 'id') IS NOT NULL", [LOG])
    if is_given:
        return []
    text = f"The table {LOG} was made by somebody else: the database does not give its entries their numbers."
    return [Problem(text, f"{RESTORE} {ASK}")]
