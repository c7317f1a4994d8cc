"""What is wrong with the activity log, and how its database is asked without a traceback (integrity.py)."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

MOST_NAMED = 10  # entries or tables that are named
RUN_MIGRATE = "Run: sessionadmin migrate. Then find out who has been at the database."
ASK = "Find out who has been at the database. Entries are never removed to repair this (docs/activity-log.md)."


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it must be, and what a person does about it."""

    text: str
    remedy: str = RUN_MIGRATE

    @property
    def is_repairable(self) -> bool:
        """Return whether `migrate` repairs it."""
        return self.remedy == RUN_MIGRATE


def attempted(connection: BaseDatabaseWrapper, what: str, part: Callable[[], list[Problem]]) -> list[Problem]:
    """Return what `part` found. What it cannot read is a problem too, and keeps nothing else from being looked at."""
    try:
        with protected(connection):
            return part()
    except Exception as problem:  # noqa: BLE001 - rows and objects of any kind may be there, made to break the look
        return [Problem(f"{what} cannot be read: {reason(problem)}", ASK)]


@contextlib.contextmanager
def protected(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let a transaction that is open go on after an error inside. Opens none: on SQLite that would wait for writers."""
    if connection.in_atomic_block:
        with transaction.atomic(using=connection.alias):
            yield
    else:
        yield


def reason(problem: Exception) -> str:
    """Return the database's words in one line; for what is no error of a database, its kind as well."""
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
    """Return any name as both databases take it."""
    return '"{}"'.format(name.replace('"', '""'))
