"""Search in the details of entries (JSON), which no index holds.

In the index of words they would make record() more than five percent slower: 6 to 15 % measured. So they are read entry
by entry, where the other filters leave at most MOST_READ.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, Q
from django.db.models.sql.compiler import SQLCompiler

from activity import folding
from activity.folding import fold

MOST_READ = 100_000  # entries
FUNCTION = "activity_details_hold"


def details_hold(word: str) -> Q:
    """Return the condition that the details contain a folded word, in a name or in a value."""
    return Q(_DetailsHold(word))


class _DetailsHold(Func):
    output_field = BooleanField()

    def __init__(self, word: str) -> None:
        super().__init__(F("details"))
        self.word = word

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, tuple[Any, ...]]:
        """Compare the text of the JSON, in which PostgreSQL writes each letter as it is."""
        column, parameters = compiler.compile(self.get_source_expressions()[0])
        pattern = f"%{connection.ops.prep_for_like_query(self.word)}%"
        return f"{folding.FUNCTION}({column}::text) LIKE %s", (*parameters, pattern)

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, tuple[Any, ...]]:
        """Call a function of Python, because Django stores letters beyond ASCII as escapes."""
        column, parameters = compiler.compile(self.get_source_expressions()[0])
        return f"{FUNCTION}({column}, %s)", (*parameters, self.word)


def register(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Add the function to a new connection to SQLite."""
    if connection.vendor == "sqlite":
        connection.connection.create_function(FUNCTION, 2, _holds, deterministic=True)


def _holds(details: Any, word: str) -> bool:
    if not isinstance(details, str) or details == "{}":
        return False
    if "\\u" in details:
        with contextlib.suppress(ValueError):  # what another program wrote is searched as it is
            details = json.dumps(json.loads(details), ensure_ascii=False)
    return word in fold(details)
