"""Choose the database from which a list is read: the main one, unless the project has named another one at start.

Only lists, downloads and the figures above the log are read through this module. Whatever decides who is asking and
what they may do is always read from the main database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest

Choose = Callable[[HttpRequest], str]
Failed = Callable[[Exception], None]
Answer = TypeVar("Answer")

_elsewhere: list[tuple[Choose, Failed]] = []


def provide_reader(choose: Choose, failed: Failed) -> None:
    """Let lists be read from another database: `choose` returns its alias, and `failed` is called for each failure.

    Call it once, at start.
    """
    _elsewhere[:] = [(choose, failed)]


def read(request: HttpRequest, rows: QuerySet[Any], answer: Callable[[QuerySet[Any]], Answer]) -> Answer:
    """Return answer(rows) from the database chosen for this request, or from the main one if that fails.

    `answer` may be called twice, so it must not write anything.
    """
    for choose, failed in _elsewhere:
        if (alias := choose(request)) != DEFAULT_DB_ALIAS:
            try:
                return answer(rows.using(alias))
            except (OperationalError, InterfaceError) as error:
                failed(error)
    return answer(rows)
