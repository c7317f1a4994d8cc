"""Check that the long lists are searched through their text indexes (activity/text_index.py)."""

from __future__ import annotations

from django.db import connection

from activity import text_index
from activity.models import LOG_WORDS
from sessions_app.gateway.recordings.models import LINE_WORDS
from sessions_app.logins.models import LOGIN_WORDS
from sessions_app.privileged.models import SESSION_WORDS
from sessions_app.worker.health.findings import Finding, ok, warning

REMEDIES = {
    "postgresql": "Let an administrator of the database run CREATE EXTENSION pg_trgm in it, then run: "
    "sessionadmin migrate",
    "sqlite": "Use a Python whose SQLite is 3.34 or newer and has FTS5, then run: sessionadmin migrate",
}


def search() -> Finding:
    """Check that what can be long has its text index: a database can have all or none."""
    if all(text_index.is_ready(index) for index in (LOG_WORDS, SESSION_WORDS, LOGIN_WORDS, LINE_WORDS)):
        return ok("Search", "The log, sessions, logins and recordings are searched through an index.")
    text = "There is no index of words: searching a long log, many sessions, logins or recordings is slow."
    return warning("Search", text, REMEDIES[connection.vendor])
