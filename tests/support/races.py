"""Several people or workers at the same moment: real threads with database connections of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

from sessions_app.errors import Refused
from sessions_app.privileged.lifecycle import LifecycleError
from tests.support.waiting import seconds

TOLD = (Refused, LifecycleError)  # what tells somebody no


def at_once(calls: Sequence[Callable[[], Any]], told: tuple[type[Exception], ...] = TOLD) -> list[Any]:
    """Run the calls in threads that start together; what each returned, or the exception of `told` that it raised."""
    barrier = threading.Barrier(len(calls))
    outcomes: list[Any] = [None] * len(calls)

    def run(number: int) -> None:
        try:
            barrier.wait(timeout=10)
            outcomes[number] = calls[number]()
        except BaseException as error:  # noqa: BLE001 - the test looks at each; an unexpected one fails it below
            outcomes[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=seconds(60))
        assert not thread.is_alive(), "two writers wait for each other"
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, told):
            raise outcome
    return outcomes


def refusals(outcomes: Sequence[Any]) -> int:
    return sum(isinstance(outcome, TOLD) for outcome in outcomes)
