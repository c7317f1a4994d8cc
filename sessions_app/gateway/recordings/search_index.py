"""The index of the search across recordings: FTS5 with trigrams on SQLite, pg_trgm on PostgreSQL.

Both find any part of a word, folded (activity/folding.py). Where a database has neither, the search reads every line:
slower, with the same result.
"""

from __future__ import annotations

import logging

from django.db import DatabaseError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from activity import folding
from activity.folding import FUNCTION, folded_in_sqlite
from activity.text_index import words_of
from sessions_app.gateway.recordings.models import RecordingText

logger = logging.getLogger(__name__)

SHORTEST = 3  # characters that a trigram index can look for
FTS = "sessions_app_recordingtext_fts"
NEW, OLD = folded_in_sqlite("NEW.text"), folded_in_sqlite("OLD.text")
INSTALL = {
    "sqlite": [
        f"CREATE VIRTUAL TABLE {FTS} USING fts5(text, content='', columnsize=0, tokenize='trigram')",
        f"""CREATE TRIGGER recording_text_added AFTER INSERT ON sessions_app_recordingtext BEGIN
            INSERT INTO {FTS}(rowid, text) VALUES (NEW.id, {NEW}); END""",
        f"""CREATE TRIGGER recording_text_removed AFTER DELETE ON sessions_app_recordingtext BEGIN
            INSERT INTO {FTS}({FTS}, rowid, text) VALUES ('delete', OLD.id, {OLD}); END""",
        f"""CREATE TRIGGER recording_text_changed AFTER UPDATE ON sessions_app_recordingtext BEGIN
            INSERT INTO {FTS}({FTS}, rowid, text) VALUES ('delete', OLD.id, {OLD});
            INSERT INTO {FTS}(rowid, text) VALUES (NEW.id, {NEW}); END""",
        f"INSERT INTO {FTS}(rowid, text) SELECT id, {folded_in_sqlite('text')} FROM sessions_app_recordingtext",
    ],
    "postgresql": [
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        # As the lookup folded_contains asks for it.
        f"""CREATE INDEX recording_text_search ON sessions_app_recordingtext
            USING gin ({FUNCTION}(text) gin_trgm_ops)""",
    ],
}
REMOVE = {
    "sqlite": [
        "DROP TRIGGER IF EXISTS recording_text_added",
        "DROP TRIGGER IF EXISTS recording_text_removed",
        "DROP TRIGGER IF EXISTS recording_text_changed",
        f"DROP TABLE IF EXISTS {FTS}",
    ],
    "postgresql": ["DROP INDEX IF EXISTS recording_text_search"],  # the extension may serve others
}


# What shows that the index is there and folds as this version does.
IS_CURRENT = {
    "sqlite": ("SELECT sql FROM sqlite_master WHERE name = 'recording_text_added'", INSTALL["sqlite"][1]),
    "postgresql": ("SELECT pg_get_indexdef(to_regclass('recording_text_search'))", FUNCTION),
}


def ensure(database: BaseDatabaseWrapper) -> None:
    """Create the index, or create it again when it was made with another way of folding."""
    statement, wanted = IS_CURRENT[database.vendor]
    with database.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchone()
    if found is None or wanted not in (found[0] or ""):
        remove(database)
        install(database)


def install(database: BaseDatabaseWrapper) -> bool:
    """Create the index. Return False where this database cannot have it.

    It needs FTS5 with trigrams, or the right to add pg_trgm.
    """
    folding.install(database)
    try:
        with transaction.atomic(using=database.alias), database.cursor() as cursor:
            for statement in INSTALL[database.vendor]:
                cursor.execute(statement)
    except DatabaseError as error:
        logger.warning("The search across recordings gets no index and will be slow with many of them: %s", error)
        return False
    return True


def remove(database: BaseDatabaseWrapper) -> None:
    with database.cursor() as cursor:
        for statement in REMOVE[database.vendor]:
            cursor.execute(statement)


def narrowed(lines: QuerySet[RecordingText], words: str) -> QuerySet[RecordingText]:
    """Return lines that may contain each of the words, as far as SQLite's index can tell.

    The caller must check them again.
    """
    parts = [part for part in words_of(words) if len(part) >= SHORTEST]
    if connection.vendor != "sqlite" or not parts or FTS not in connection.introspection.table_names():
        return lines
    wanted = " AND ".join('"{}"'.format(part.replace('"', '""')) for part in parts)
    found = RawSQL(f"SELECT rowid FROM {FTS} WHERE {FTS} MATCH %s", [wanted])
    return lines.filter(pk__in=found)
