"""Retry changes that failed because the database was busy or away for a short time."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connection

from activity.outage import Outage
from activity.patience import answering_within

logger = logging.getLogger(__name__)

RETRY_FOR_SECONDS = 45.0  # seconds; a person waits for the answer, and proxies wait for a minute
RETRY_PAUSE_SECONDS = 0.5  # seconds between two tries
LEAST_SECONDS = 1.0  # seconds that a try waits for a lock, also when the time is over
TEMPORARY_OUTAGES = (Outage.BUSY, Outage.AWAY)

_until: ContextVar[float] = ContextVar("activity_again_until", default=math.inf)

Given = ParamSpec("Given")
Result = TypeVar("Result")


@contextlib.contextmanager
def share_retry_time() -> Iterator[None]:
    """Let everything that is tried again inside share the 45 seconds: somebody waits for all of it."""
    token = _until.set(time.monotonic() + RETRY_FOR_SECONDS)
    try:
        yield
    finally:
        _until.reset(token)


def retry_while_unavailable(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Decorate a function that is one transaction: while the database is busy or away, call it again for 45 seconds.

    The last try does not wait for a lock beyond that time, so that the person hears what was not done before the web
    server or a proxy gives up. Inside a transaction of the caller the function is called once, because the caller has
    to begin that transaction again.
    """

    @functools.wraps(function)
    def trying(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        if connection.in_atomic_block:
            return function(*args, **kwargs)
        deadline = min(time.monotonic() + RETRY_FOR_SECONDS, _until.get())
        while True:
            try:
                with answering_within(max(deadline - time.monotonic(), LEAST_SECONDS)):
                    return function(*args, **kwargs)
            except (DatabaseError, InterfaceError) as error:
                if Outage.of(error) not in TEMPORARY_OUTAGES or time.monotonic() + RETRY_PAUSE_SECONDS > deadline:
                    raise
                logger.warning("%s is tried again", function.__qualname__, exc_info=error)
            connection.close_if_unusable_or_obsolete()
            time.sleep(RETRY_PAUSE_SECONDS)

    return trying
