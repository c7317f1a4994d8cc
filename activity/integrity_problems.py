"""Problems of the activity log, and functions that query its database for them without a traceback (integrity.py)."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

MOST_NAMED = 10  # entries or tables that are named
RUN_MIGRATE = "Run: sessionadmin migrate. Then find out who changed the database."
ASK = "Find out who changed the database. Entries are never removed to repair this (docs/activity-log.md#append-only)."


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with the log, and what a person should do about it."""

    text: str
    remedy: str = RUN_MIGRATE

    @property
    def is_repairable(self) -> bool:
        """Return whether `migrate` repairs it."""
        return self.remedy == RUN_MIGRATE


def attempted(connection: BaseDatabaseWrapper, what: str, part: Callable[[], list[Problem]]) -> list[Problem]:
    """Return the problems that `part` found. An error in it is returned as a problem, so that the others still run."""
    try:
        with protected(connection):
            return part()
    except Exception as problem:  # noqa: BLE001 - somebody may have made rows or objects that break this check
        return [Problem(f"{what} cannot be read: {reason(problem)}", ASK)]


@contextlib.contextmanager
def protected(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep an open transaction usable after an error inside.

    Do not open a transaction if there is none: on SQLite it would wait for writers.
    """
    if connection.in_atomic_block:
        with transaction.atomic(using=connection.alias):
            yield
    else:
        yield


def reason(problem: Exception) -> str:
    """Return the kind of the error and its message in one line."""
    return f"{type(problem).__name__}: {' '.join(str(problem).split())[:200]}"


def ask(connection: BaseDatabaseWrapper, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    """Run a query and return all its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))
        return list(cursor.fetchall())


def execute(connection: BaseDatabaseWrapper, statement: str) -> None:
    """Run a statement without parameters."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def quoted(name: str) -> str:
    """Return a name in double quotes, as both databases accept any name."""
    return '"{}"'.format(name.replace('"', '""'))
