"""Check that the long lists are searched through their text indexes (activity/text_index.py)."""

from __future__ import annotations

from django.db import connection

from activity import text_index
from activity.models import LOG_WORDS
from sessions_app.logins.models import LOGIN_WORDS
from sessions_app.privileged.models import SESSION_WORDS
from sessions_app.worker.health.findings import Finding, ok, warning

REMEDIES = {
    "postgresql": "Let an administrator of the database run CREATE EXTENSION pg_trgm in it, then run: "
    "sessionadmin migrate",
    "sqlite": "Use a Python whose SQLite is 3.34 or newer and has FTS5, then run: sessionadmin migrate",
}


def search() -> Finding:
    """Check that the log, sessions and login sessions have their text indexes: a database can have all or none."""
    if all(text_index.is_ready(index) for index in (LOG_WORDS, SESSION_WORDS, LOGIN_WORDS)):
        return ok("Search", "The log, sessions and logins are searched through an index.")
    text = "There is no index of words: searching a long log, or long lists of sessions and logins, is slow."
    return warning("Search", text, REMEDIES[connection.vendor])
