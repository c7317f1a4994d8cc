"""The database's own refusal to change the activity log: triggers on SQLite and PostgreSQL.

Deleting is possible only for entries older than the date in the prune door (`activity_prunedoor`), which
`prune_activity` fills and empties within one transaction, so that no other connection ever sees it open.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

REFUSAL = "The activity log is append-only: entries cannot be changed or deleted (see sessionadmin prune_activity)."

INSTALL = {
    "sqlite": [
        f"""CREATE TRIGGER activity_log_no_update BEFORE UPDATE ON activity_logentry
            BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END""",
        f"""CREATE TRIGGER activity_log_no_delete BEFORE DELETE ON activity_logentry
            WHEN NOT EXISTS (SELECT 1 FROM activity_prunedoor WHERE OLD.at < before)
            BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END""",
        # INSERT OR REPLACE deletes without asking the trigger above. An id not given is -1 here.
        # Source: sqlite.org/lang_conflict.html, REPLACE; sqlite.org/lang_createtrigger.html.
        f"""CREATE TRIGGER activity_log_no_replace BEFORE INSERT ON activity_logentry
            WHEN NEW.id > 0 AND EXISTS (SELECT 1 FROM activity_logentry WHERE id = NEW.id)
            BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END""",
    ],
    "postgresql": [
        f"""CREATE OR REPLACE FUNCTION activity_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'DELETE' THEN
                    IF EXISTS (SELECT 1 FROM activity_prunedoor WHERE OLD.at < before) THEN
                        RETURN OLD;
                    END IF;
                END IF;
                RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';
            END $$""",
        """CREATE TRIGGER activity_log_no_change BEFORE UPDATE OR DELETE ON activity_logentry
            FOR EACH ROW EXECUTE FUNCTION activity_log_refuse()""",
        """CREATE TRIGGER activity_log_no_truncate BEFORE TRUNCATE ON activity_logentry
            FOR EACH STATEMENT EXECUTE FUNCTION activity_log_refuse()""",
    ],
}
REMOVE = {
    "sqlite": [
        "DROP TRIGGER IF EXISTS activity_log_no_update",
        "DROP TRIGGER IF EXISTS activity_log_no_delete",
        "DROP TRIGGER IF EXISTS activity_log_no_replace",
    ],
    "postgresql": [
        "DROP TRIGGER IF EXISTS activity_log_no_change ON activity_logentry",
        "DROP TRIGGER IF EXISTS activity_log_no_truncate ON activity_logentry",
    ],
}


def install(connection: BaseDatabaseWrapper) -> None:
    """Create the triggers. Raises KeyError on a database other than SQLite and PostgreSQL."""
    _run(connection, INSTALL)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Drop the triggers: for migrations backwards, and for tests that empty their database."""
    _run(connection, REMOVE)


def _run(connection: BaseDatabaseWrapper, statements: dict[str, list[str]]) -> None:
    with connection.cursor() as cursor:
        for statement in statements[connection.vendor]:
            cursor.execute(statement)
