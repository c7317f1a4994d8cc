"""Check that the triggers of the log are in force, and that no other object takes the place of the log."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from activity import append_only, text_index
from activity.append_only import LOG, REQUEST
from activity.integrity_problems import Problem, ask, quoted
from activity.models import LOG_WORDS

TYPES = {"BEFORE": 2, "INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}  # pg_trigger.tgtype; 1: for each row


def triggers(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Return what is wrong with our triggers, and those of somebody else."""
    return (_sqlite if connection.vendor == "sqlite" else _postgresql)(connection)


def _sqlite(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Return each trigger by its text. SQLite ignores upper and lower case in names."""
    rows = ask(connection, "SELECT name, lower(tbl_name), sql FROM sqlite_master WHERE type = 'trigger'")
    there = {name.lower(): (name, table, " ".join(text.split())) for name, table, text in rows}
    problems = []
    for name, (table, text) in append_only.SQLITE.items():
        if name not in there:
            problems.append(Problem(f"The trigger {name} is missing."))
        elif there[name][1:] != (table, " ".join(text.split())):
            problems.append(Problem(f"The trigger {name} was replaced by another."))
    ours = {*append_only.SQLITE, *text_index.sqlite_triggers(LOG_WORDS)}
    strangers = sorted(name for low, (name, table, _) in there.items() if table in (LOG, REQUEST) and low not in ours)
    return problems + [_stranger("trigger", name, f"DROP TRIGGER {_named(name)}") for name in strangers]


def _postgresql(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Return each trigger by its kind, its condition, the body of its function, and whether it is enabled."""
    rows = ask(
        connection,
        "SELECT tgname, relname, tgenabled, tgtype, pg_get_triggerdef(t.oid), proname, prosrc, "
        "array_to_string(proconfig, ';'), cardinality(tgattr::int2[]) FROM pg_trigger t "
        "JOIN pg_class c ON c.oid = tgrelid JOIN pg_proc p ON p.oid = tgfoid "
        "WHERE NOT tgisinternal AND tgrelid IN (to_regclass(%s), to_regclass(%s))",
        [LOG, REQUEST],
    )
    there = {(row[0], row[1]): row[1:] for row in rows}
    setting = append_only.SETTING.format(schema=append_only.schema_of(connection)).replace(" = ", "=")
    problems = []
    ours = {(name, of) for name, (of, *_) in append_only.POSTGRESQL.items()}
    for name, of in sorted(ours):
        if (name, of) not in there:
            problems.append(Problem(f"The trigger {name} is missing."))
        elif text := _wrong(name, there[name, of], setting):
            problems.append(Problem(text))
    strangers = sorted(there.keys() - ours)
    problems += [_stranger("trigger", name, f"DROP TRIGGER {_named(name)} ON {of}") for name, of in strangers]
    question = "SELECT rulename, tablename FROM pg_rules WHERE schemaname = current_schema() AND tablename IN (%s, %s)"
    rules = ask(connection, question, [LOG, REQUEST])
    problems += [_stranger("rule", name, f"DROP RULE {_named(name)} ON {of}") for name, of in rules]
    if ask(connection, "SELECT current_setting('session_replication_role')") != [("origin",)]:
        remedy = "Take session_replication_role out of the settings of the database and of its role."
        problems.append(Problem("The database runs no triggers: session_replication_role is not “origin”.", remedy))
    return problems


def _wrong(name: str, there: tuple[Any, ...], setting: str) -> str:
    """Return what is wrong with a trigger that is there, or an empty string."""
    table, enabled, kind, definition, function, body, config, columns = there
    of, wanted, moment, each, condition = append_only.POSTGRESQL[name]
    if enabled not in ("O", "A"):
        return f"The trigger {name} is disabled."
    when = definition.partition(" WHEN (")[2].partition(") EXECUTE ")[0]
    wanted_kind = (each == "ROW") + sum(TYPES.get(word, 0) for word in moment.split())
    if (table, kind, when, function, columns) != (of, wanted_kind, condition, wanted, 0):
        return f"The trigger {name} was replaced by another."
    if body.split() != append_only.FUNCTIONS[wanted].split() or config != setting:
        return f"The function {function} of the trigger {name} was replaced by another."
    return ""


def hiding(connection: BaseDatabaseWrapper) -> list[Problem]:
    """Return what lets PostgreSQL show fewer entries than there are, or more: row-level security and child tables."""
    if connection.vendor != "postgresql":
        return []
    problems = [
        Problem(f"Row-level security is on for the table {table}: entries may be hidden from the console.")
        for table in secured(connection)
    ]
    question = (
        "SELECT polname, relname FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE c.oid = ANY(%s::regclass[])"
    )
    policies = ask(connection, question, [[LOG, REQUEST]])
    problems += [_stranger("policy", name, f"DROP POLICY {_named(name)} ON {of}") for name, of in policies]
    for child, table in children(connection):
        problems.append(
            Problem(f"The table {child} inherits from {table}: what it holds is shown as entries of the log.")
        )
    return problems


def secured(connection: BaseDatabaseWrapper) -> list[str]:
    """Return those of our tables that have row-level security. PostgreSQL only."""
    question = (
        "SELECT relname FROM pg_class WHERE oid = ANY(%s::regclass[]) AND (relrowsecurity OR relforcerowsecurity)"
    )
    return [str(name) for (name,) in ask(connection, question, [[LOG, REQUEST]])]


def children(connection: BaseDatabaseWrapper) -> list[tuple[str, str]]:
    """Return the tables that inherit from ours, quoted and with their schema, and from which. PostgreSQL only."""
    question = (
        "SELECT inhrelid::regclass::text, c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhparent "
        "WHERE inhparent = ANY(%s::regclass[]) ORDER BY 1"
    )
    return [(str(child), str(table)) for child, table in ask(connection, question, [[LOG, REQUEST]])]


def _stranger(what: str, name: str, statement: str) -> Problem:
    text = f"The {what} {name} is not ours: it may keep entries from being written or read, or change them."
    return Problem(text, f"If nobody knows what it is for: {statement}")


def _named(name: str) -> str:
    return name if name.isidentifier() and name == name.lower() else quoted(name)
