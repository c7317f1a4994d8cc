"""How the database would answer a query, for tests that look for an index."""

from __future__ import annotations

from django.db import connection


def explained(sql: str) -> str:
    """Return the database's plan for a query.

    The database would read, join and sort an empty table as a whole, so it is told that this is expensive.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin", "sort", "incremental_sort"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())
