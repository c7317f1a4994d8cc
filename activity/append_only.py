"""Lets the database itself refuse changes of the activity log, by triggers on SQLite and PostgreSQL.

Entries are deleted in one way only: a row that names a time is inserted into `activity_prunerequest`. The database does
the rest within the same statement, in this order:

1. Before the row is there, it refuses a time of the last 24 hours, and writes the entry `log.pruned`: how many entries
   are deleted, from when to when, and by which user of the database.
2. While the row is there, entries that are older can be deleted, but none of STAYS.
3. After the row is there, it deletes those entries and then the row.

Personal data of one entry is erased in the same way: the row names the entry and a reason, the database writes the
entry `log.erased`, and then allows one change only: that entry loses what may name a person.

So whatever is deleted or erased, by this statement or by one that is joined to it, is told by an entry that can never
be deleted. Whoever owns the database can drop all of this, so integrity.py checks whether it is in force.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from activity.verbs import Verb

LOG, REQUEST = "activity_logentry", "activity_prunerequest"
REFUSAL = "The activity log is append-only: entries cannot be changed or deleted (see sessionadmin prune_activity)."
NUMBERS = "The activity log is append-only: the numbers of its entries begin at 1."
TOO_YOUNG = "Entries of the last 24 hours always stay in the activity log. Nothing was deleted."
REQUEST_STAYS = "A request to delete old log entries is never changed."
NO_TRACE = "The deletion could not be written into the activity log. Nothing was deleted."
INCOMPLETE = "A request to delete old log entries names a time and an export, which may be empty. Nothing was deleted."

ERASED_TEXT = "Personal data was erased on request"
NO_ENTRY = "There is no entry of that number whose personal data could be erased. Nothing was changed."
NO_REASON = "A request to erase personal data names an entry and a reason, and no time. Nothing was changed."
COLUMNS = "at, actor_name, user_name, verb, level, message, target_type, target_name, details"
OLDER = "log entries older than"
PRUNED, ERASED = Verb.LOG_PRUNED.value, Verb.LOG_ERASED.value
# What tells of deleting, erasing and keys is never deleted, and with what explains odd times it is never erased.
STAYING = (Verb.LOG_PRUNED, Verb.LOG_ERASED, Verb.SEAL_KEY_MADE, Verb.SEAL_KEY_ROTATED)
UNERASABLE = (*STAYING, Verb.LOG_IMPORTED, Verb.LOG_REPAIRED, Verb.CLOCK_CHANGED)
STAYS = ", ".join(f"'{verb.value}'" for verb in STAYING)
KEEPS = ", ".join(f"'{verb.value}'" for verb in UNERASABLE)
# What an entry keeps when its personal data is erased, and what becomes of the rest.
KEPT = ("id", "at", "verb", "level", "outcome", "target_type", "target_id")
EMPTIED = {
    "actor_id": "NULL",
    "actor_name": "''",
    "user_id": "NULL",
    "user_name": "''",
    "message": f"'{ERASED_TEXT}'",
    "target_name": "''",
    "ip": "NULL",
    "login_id": "NULL",
    "details": "'{}'",
}
IS_EMPTIED = " AND ".join(f"NEW.{column} IS NOT DISTINCT FROM {value}" for column, value in EMPTIED.items())
SETS = ", ".join(f"{column} = {value}" for column, value in EMPTIED.items())

# Name of the trigger: its table and its whole text. SQLite compares times as the text that Django writes.
SQLITE = {
    "activity_log_no_update": (
        LOG,
        f"""CREATE TRIGGER activity_log_no_update BEFORE UPDATE ON {LOG}
            WHEN OLD.verb IN ({KEEPS}) OR NOT EXISTS (SELECT 1 FROM {REQUEST} WHERE entry_id = OLD.id)
                OR NOT ({" AND ".join(f"NEW.{column} IS OLD.{column}" for column in KEPT)})
                OR NOT ({" AND ".join(f"NEW.{column} IS {value}" for column, value in EMPTIED.items())})
            BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END""",
    ),
    "activity_log_no_delete": (
        LOG,
        f"""CREATE TRIGGER activity_log_no_delete BEFORE DELETE ON {LOG}
            WHEN OLD.verb IN ({STAYS}) OR NOT EXISTS (SELECT 1 FROM {REQUEST} WHERE OLD.at < before)
            BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END""",
    ),
    # INSERT OR REPLACE deletes without asking the trigger above. An id not given is -1 here.
    # Source: sqlite.org/lang_conflict.html, REPLACE; sqlite.org/lang_createtrigger.html.
    "activity_log_no_replace": (
        LOG,
        f"""CREATE TRIGGER activity_log_no_replace BEFORE INSERT ON {LOG}
            WHEN NEW.id > 0 AND EXISTS (SELECT 1 FROM {LOG} WHERE id = NEW.id)
            BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END""",
    ),
    "activity_log_numbers": (
        LOG,
        f"""CREATE TRIGGER activity_log_numbers AFTER INSERT ON {LOG} WHEN NEW.id <= 0
            BEGIN SELECT RAISE(ABORT, '{NUMBERS}'); END""",
    ),
    # INSERT OR IGNORE leaves out a row that breaks NOT NULL, but not what this has written: it refuses such a row. Time
    # stands still within a statement. The last step is for who suppresses the entry, as INSERT OR IGNORE may.
    "activity_log_prune_trace": (
        REQUEST,
        f"""CREATE TRIGGER activity_log_prune_trace BEFORE INSERT ON {REQUEST} BEGIN
            SELECT RAISE(ABORT, '{TOO_YOUNG}')
                WHERE NEW.entry_id IS NULL AND (
                    typeof(NEW.before) <> 'text' OR NEW.before > strftime('%Y-%m-%d %H:%M:%f', 'now', '-1 day'));
            SELECT RAISE(ABORT, '{NO_REASON}')
                WHERE NEW.entry_id IS NOT NULL AND (NEW.before IS NOT NULL OR coalesce(NEW.reason, '') = '');
            SELECT RAISE(ABORT, '{NO_ENTRY}') WHERE NEW.entry_id IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM {LOG} WHERE id = NEW.entry_id AND verb NOT IN ({KEEPS}) AND message <> '{ERASED_TEXT}');
            INSERT INTO {LOG} ({COLUMNS})
                SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'), '', '', '{ERASED}', 30,
                    printf('Erased the personal data of entry %,d', NEW.entry_id), '', '',
                    json_object('entry', NEW.entry_id, 'reason', NEW.reason, 'database_user', '')
                WHERE NEW.entry_id IS NOT NULL;
            SELECT RAISE(ABORT, '{INCOMPLETE}') WHERE NEW.export IS NULL;
            INSERT INTO {LOG} ({COLUMNS})
                SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'), '', '', '{PRUNED}', 30,
                    printf('Deleted %,d {OLDER} %sZ', found, replace(substr(NEW.before, 1, 19), ' ', 'T')), '', '',
                    json_object('rows', found, 'oldest', coalesce(replace(oldest, ' ', 'T') || '+00:00', ''),
                        'before', replace(NEW.before, ' ', 'T') || '+00:00', 'export', NEW.export, 'database_user', '')
                FROM (SELECT
                    (SELECT count(*) FROM {LOG} WHERE at < NEW.before)
                        - (SELECT count(*) FROM {LOG} WHERE at < NEW.before AND verb IN ({STAYS})) AS found,
                    (SELECT at FROM {LOG} WHERE at < NEW.before AND verb NOT IN ({STAYS}) ORDER BY at LIMIT 1)
                        AS oldest)
                WHERE NEW.entry_id IS NULL;
            SELECT RAISE(ABORT, '{NO_TRACE}') WHERE NOT EXISTS (
                SELECT 1 FROM {LOG} WHERE id = (SELECT max(id) FROM {LOG})
                    AND verb = CASE WHEN NEW.entry_id IS NULL THEN '{PRUNED}' ELSE '{ERASED}' END
                    AND at = strftime('%Y-%m-%d %H:%M:%f', 'now'));
            END""",
    ),
    "activity_log_prune": (
        REQUEST,
        f"""CREATE TRIGGER activity_log_prune AFTER INSERT ON {REQUEST} BEGIN
            DELETE FROM {LOG} WHERE at < NEW.before AND verb NOT IN ({STAYS});
            UPDATE {LOG} SET {SETS} WHERE id = NEW.entry_id;
            DELETE FROM {REQUEST};
            END""",
    ),
    "activity_log_request_stays": (
        REQUEST,
        f"""CREATE TRIGGER activity_log_request_stays BEFORE UPDATE ON {REQUEST}
            BEGIN SELECT RAISE(ABORT, '{REQUEST_STAYS}'); END""",
    ),
}

# A function looks for tables in our schema only: else a temporary table with the name of ours would count.
ISO = "(replace(to_char({}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '.000000', '') || '+00:00')"
SETTING = "search_path = pg_catalog, {schema}, pg_temp"
FUNCTIONS = {
    "activity_log_refuse": f"""
            BEGIN
                IF TG_TABLE_NAME = '{REQUEST}' THEN
                    RAISE EXCEPTION '{REQUEST_STAYS}' USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                IF TG_OP = 'INSERT' THEN
                    RAISE EXCEPTION '{NUMBERS}' USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                IF TG_OP = 'DELETE' THEN
                    IF OLD.verb NOT IN ({STAYS}) AND EXISTS (SELECT 1 FROM {REQUEST} WHERE OLD.at < before) THEN
                        RETURN OLD;
                    END IF;
                END IF;
                IF TG_OP = 'UPDATE' THEN
                    IF OLD.verb NOT IN ({KEEPS}) AND EXISTS (SELECT 1 FROM {REQUEST} WHERE entry_id = OLD.id)
                        AND {" AND ".join(f"NEW.{column} IS NOT DISTINCT FROM OLD.{column}" for column in KEPT)}
                        AND {IS_EMPTIED}
                    THEN
                        RETURN NEW;
                    END IF;
                END IF;
                RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';
            END """,
    "activity_log_prune_trace": f"""
            DECLARE
                found bigint;
                oldest timestamp;
                moment timestamp := NEW.before AT TIME ZONE 'UTC';
                written bigint;
            BEGIN
                IF NEW.entry_id IS NOT NULL THEN
                    IF NEW.before IS NOT NULL OR COALESCE(NEW.reason, '') = '' THEN
                        RAISE EXCEPTION '{NO_REASON}' USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    IF NOT EXISTS (SELECT 1 FROM {LOG} WHERE id = NEW.entry_id AND verb NOT IN ({KEEPS})
                        AND message <> '{ERASED_TEXT}')
                    THEN
                        RAISE EXCEPTION '{NO_ENTRY}' USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    INSERT INTO {LOG} ({COLUMNS}) VALUES (clock_timestamp(), '', '', '{ERASED}', 30,
                        format('Erased the personal data of entry %s', to_char(NEW.entry_id, 'FM999,999,999,999,999')),
                        '', '',
                        jsonb_build_object('entry', NEW.entry_id, 'reason', NEW.reason, 'database_user', session_user))
                        RETURNING id INTO written;
                    IF written IS NULL THEN
                        RAISE EXCEPTION '{NO_TRACE}' USING ERRCODE = 'integrity_constraint_violation';
                    END IF;
                    RETURN NEW;
                END IF;
                IF NEW.before IS NULL THEN
                    RAISE EXCEPTION '{INCOMPLETE}' USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                IF NEW.before > clock_timestamp() - interval '1 day' THEN
                    RAISE EXCEPTION '{TOO_YOUNG}' USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                SELECT (SELECT count(*) FROM {LOG} WHERE at < NEW.before)
                    - (SELECT count(*) FROM {LOG} WHERE at < NEW.before AND verb IN ({STAYS})) INTO found;
                SELECT at AT TIME ZONE 'UTC' INTO oldest FROM {LOG}
                    WHERE at < NEW.before AND verb NOT IN ({STAYS}) ORDER BY at LIMIT 1;
                INSERT INTO {LOG} ({COLUMNS}) VALUES (clock_timestamp(), '', '', '{PRUNED}', 30,
                    format('Deleted %s {OLDER} %sZ', to_char(found, 'FM999,999,999,999,999'),
                        to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS')), '', '',
                    jsonb_build_object('rows', found,
                        'oldest', COALESCE({ISO.format("oldest")}, ''), 'before', {ISO.format("moment")},
                        'export', NEW.export, 'database_user', session_user))
                    RETURNING id INTO written;
                IF written IS NULL THEN
                    RAISE EXCEPTION '{NO_TRACE}' USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
            END """,
    "activity_log_prune": f"""
            BEGIN
                DELETE FROM {LOG} WHERE at < NEW.before AND verb NOT IN ({STAYS});
                UPDATE {LOG} SET {SETS} WHERE id = NEW.entry_id;
                DELETE FROM {REQUEST};
                RETURN NULL;
            END """,
}
# Name of the trigger: its table, its function, what it fires on, and its condition as PostgreSQL writes it.
POSTGRESQL = {
    "activity_log_no_change": (LOG, "activity_log_refuse", "BEFORE UPDATE OR DELETE", "ROW", ""),
    "activity_log_no_truncate": (LOG, "activity_log_refuse", "BEFORE TRUNCATE", "STATEMENT", ""),
    "activity_log_numbers": (LOG, "activity_log_refuse", "BEFORE INSERT", "ROW", "(new.id <= 0)"),
    "activity_log_prune_trace": (REQUEST, "activity_log_prune_trace", "BEFORE INSERT", "ROW", ""),
    "activity_log_prune": (REQUEST, "activity_log_prune", "AFTER INSERT", "ROW", ""),
    "activity_log_request_stays": (REQUEST, "activity_log_refuse", "BEFORE UPDATE", "ROW", ""),
}


def renew(connection: BaseDatabaseWrapper) -> None:
    """Create all triggers anew, whatever is there of them."""
    for statements in renewal(connection):
        _run(connection, statements)


def renewal(connection: BaseDatabaseWrapper) -> list[list[str]]:
    """Return the statements of renew(), those together that belong to one function or trigger."""
    if connection.vendor == "sqlite":
        return [[f"DROP TRIGGER IF EXISTS {name}", text] for name, (_, text) in SQLITE.items()]
    return [*([one] for one in _functions(connection)), *([_drop(name), _create(name)] for name in POSTGRESQL)]


def remove(connection: BaseDatabaseWrapper) -> None:
    """Drop all triggers: for migrations backwards, and for tests that empty their database."""
    _run(connection, _drops(connection))


@contextlib.contextmanager
def without_triggers(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Drop the triggers for the block, and then create the same ones again, which may be those of an earlier version.

    It is for migrations, whose transaction brings the triggers back when the block fails.
    """
    names = ", ".join(f"'{name}'" for name in (SQLITE if connection.vendor == "sqlite" else POSTGRESQL))
    question = f"SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name IN ({names})"
    if connection.vendor == "postgresql":
        tables = f"to_regclass('{LOG}'), to_regclass('{REQUEST}')"
        question = f"SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid IN ({tables}) AND tgname IN ({names})"
    with connection.cursor() as cursor:
        cursor.execute(question)
        there = [str(text) for (text,) in cursor.fetchall()]
    remove(connection)
    yield
    _run(connection, there)


def _functions(connection: BaseDatabaseWrapper) -> list[str]:
    setting = SETTING.format(schema=schema_of(connection))
    return [
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET {setting} AS $${body}$$"
        for function, body in FUNCTIONS.items()
    ]


def _create(name: str) -> str:
    table, function, moment, each, condition = POSTGRESQL[name]
    when = f"WHEN {condition} " if condition else ""
    return f"CREATE TRIGGER {name} {moment} ON {table} FOR EACH {each} {when}EXECUTE FUNCTION {function}()"


def _drop(name: str) -> str:
    return f"DROP TRIGGER IF EXISTS {name} ON {POSTGRESQL[name][0]}"


def _drops(connection: BaseDatabaseWrapper) -> list[str]:
    if connection.vendor == "sqlite":
        return [f"DROP TRIGGER IF EXISTS {name}" for name in SQLITE]
    return [_drop(name) for name in POSTGRESQL]


def schema_of(connection: BaseDatabaseWrapper) -> str:
    """Return the schema in which the tables are, quoted. PostgreSQL only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        return str(cursor.fetchone()[0])


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
