"""Text as it is compared: without upper and lower case, and one spelling for what looks the same.

fold() makes it in Python and in SQLite, `activity_fold` in PostgreSQL. It is Unicode's compatibility caseless match
(D146): everything taken apart (NFKD), case folding, and everything put together (NFKC). Both know every character
alike (tests/activity/test_folding.py compares them), whatever the locale of the database. Lookups for queries:
`folded_contains`, `folded_startswith` and `folded_exact`.
"""

from __future__ import annotations

import sqlite3
import unicodedata
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, GenericIPAddressField, Lookup, TextField
from django.db.models.sql.compiler import SQLCompiler

FUNCTION = "activity_fold"
Parameters = tuple[Any, ...]


def fold(text: str) -> str:
    """Return the text in the form in which it is compared. To fold it again changes nothing."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text).casefold())


# --- SQLite


def register(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Add the function fold() to a new connection to SQLite. Triggers (text_index.py) and lookups call it."""
    if connection.vendor == "sqlite":
        add_to_sqlite(connection.connection)


def add_to_sqlite(connection: sqlite3.Connection) -> None:
    """Register the function on a connection that is not Django's, which else cannot write what is searched."""
    connection.create_function(FUNCTION, 1, _folded, deterministic=True)
    connection.execute("PRAGMA trusted_schema = ON")  # or a trigger may not call it; nearly everywhere it is on


def _folded(text: bytes | str | None) -> str | None:
    """Return the text folded. Whoever wants to read bytes that are not UTF-8 too calls it by call_in_sqlite()."""
    if isinstance(text, bytes):
        return fold(text.decode("utf-8", "replace"))
    return text if text is None else fold(text)


def call_in_sqlite(expression: str) -> str:
    """Return the call of fold() in SQLite's language, with the bytes of the text.

    Another program may have written text that is not UTF-8, of which sqlite3 makes no argument: the statement would
    fail, and with it a search, or the insertion that puts waiting rows into an index.
    """
    return f"{FUNCTION}(CAST({expression} AS BLOB))"


def is_beyond_ascii(expression: str) -> str:
    """Return a condition in SQLite's language that is true for text beyond ASCII.

    SQLite compares ASCII itself, because a call of Python takes ten times as long.
    """
    return f"LENGTH({expression}) <> LENGTH(CAST({expression} AS BLOB))"


def folded_in_sqlite(expression: str) -> str:
    """Return the expression folded, as far as that is needed where upper and lower case of ASCII do not matter."""
    return f"CASE WHEN {is_beyond_ascii(expression)} THEN {call_in_sqlite(expression)} ELSE {expression} END"


# --- PostgreSQL

# What lower() leaves apart and case folding does not: the two small sigmas, the iota below a letter, and forms of
# Cyrillic letters of old prints. Source: Unicode's CaseFolding.txt, for text in NFKD.
_APART = "\u03c2\u0345" + "".join(map(chr, range(0x1C80, 0x1C89)))
_TOGETHER = _APART.casefold()
# With one of these in it, to lower text that is in NFKC is not enough: the above, sharp s, a capital sigma (whose small
# one depends on what follows), and accents that find no capital to join.
_SPECIAL = "\u00df\u1e9e\u03a3\u03c2\u1c80-\u1c88\u0300-\u036f\u0390\u03b0\u01f0\u1e96-\u1e9a\u1f50-\u1fff"
_LOWERED = ("und-x-icu", "pg_c_utf8")  # collations that know the case of every letter, best first
# Quickest first: nearly all text is ASCII; to make a normal form takes three times as long as to look for it.
_DEFINITION = """
SELECT CASE
WHEN octet_length(value) = char_length(value) THEN lower(value COLLATE "C") COLLATE "default"
WHEN value IS NFKC NORMALIZED AND value !~ '[{special}]' THEN lower(value COLLATE "{collation}") COLLATE "default"
ELSE normalize(replace(translate(lower(normalize(value, NFKD) COLLATE "{collation}"), '{apart}', '{together}'),
  '\u00df', 'ss'), NFKC) COLLATE "default" END
"""


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the function in PostgreSQL, or mend it; each migrate does. In the one schema that tables go to."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT collname FROM pg_collation WHERE collname = ANY(%s)", [list(_LOWERED)])
        there = {name for (name,) in cursor.fetchall()}
        collation = next((name for name in _LOWERED if name in there), "default")
        body = _DEFINITION.format(special=_SPECIAL, apart=_APART, together=_TOGETHER, collation=collation)
        cursor.execute(
            "SELECT prosrc FROM pg_proc WHERE proname = %s AND pronamespace = current_schema()::regnamespace",
            [FUNCTION],
        )
        if cursor.fetchone() != (body,):
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {FUNCTION}(value text) RETURNS text "
                f"LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $fold${body}$fold$"
            )


# --- lookups


class _Folded(Lookup):
    """Compares what is asked, folded, with the folded column."""

    before = after = ""

    def get_prep_lookup(self) -> str:
        """Fold the value to search for."""
        return fold(str(self.rhs))

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, Parameters]:
        """Compare by the expression that the indexes are made of."""
        left, parameters = self.process_lhs(compiler, connection)
        if self.lhs.output_field.get_internal_type() == "GenericIPAddressField":
            return f"HOST({left}) LIKE %s", (*parameters, self._pattern(connection))
        return f"{FUNCTION}({left}) LIKE {FUNCTION}(%s)", (*parameters, self._pattern(connection))

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Parameters]:
        """Compare by LIKE, which ignores the case of ASCII, and by fold() where there is more than ASCII."""
        left, parameters = self.process_lhs(compiler, connection)
        asked = (*parameters, self._pattern(connection))
        sql = f"({is_beyond_ascii(left)} AND {call_in_sqlite(left)} LIKE %s ESCAPE '\\')"
        if not self.rhs.isascii():
            return sql, (*parameters, *parameters, *asked)
        return f"({left} LIKE %s ESCAPE '\\' OR {sql})", (*asked, *parameters, *parameters, *asked)

    def _pattern(self, connection: BaseDatabaseWrapper) -> str:
        return f"{self.before}{connection.ops.prep_for_like_query(self.rhs)}{self.after}"


class FoldedContains(_Folded):
    """The value holds the text, however either is written."""

    lookup_name = "folded_contains"
    before = after = "%"


class FoldedStartsWith(_Folded):
    """The value begins with the text, however either is written."""

    lookup_name = "folded_startswith"
    after = "%"


class FoldedExact(_Folded):
    """The value is the text, however either is written."""

    lookup_name = "folded_exact"


for _field in (CharField, TextField, GenericIPAddressField):
    for _lookup in (FoldedContains, FoldedStartsWith, FoldedExact):
        _field.register_lookup(_lookup)
