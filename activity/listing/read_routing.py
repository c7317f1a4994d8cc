"""From which database a list is read: the main one, unless the project says at start that another will do.

Only lists, downloads and the figures above the log come here. What decides anything (who is asking, what they may)
never does.
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
    """Let lists be read elsewhere: `choose` gives the alias for a request, `failed` is told of each failure.

    Call it once, at start.
    """
    _elsewhere[:] = [(choose, failed)]


def read(request: HttpRequest, rows: QuerySet[Any], answer: Callable[[QuerySet[Any]], Answer]) -> Answer:
    """Return answer(rows) from the database chosen for this request, or from the main one when that fails.

    `answer` may be called twice, so it must write nothing.
    """
    for choose, failed in _elsewhere:
        if (alias := choose(request)) != DEFAULT_DB_ALIAS:
            try:
                return answer(rows.using(alias))
            except (OperationalError, InterfaceError) as error:
                failed(error)
    return answer(rows)
