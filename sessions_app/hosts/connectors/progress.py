"""Which step of a call to a resource is under way, for whoever waits for that call in another thread."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator
from contextvars import ContextVar

from django.utils import timezone


@dataclasses.dataclass
class Step:
    """What is waited for, in words that follow the resource's name and a colon, and since when. Empty: nothing yet."""

    text: str = ""
    since: dt.datetime | None = None


_current: ContextVar[Step | None] = ContextVar("connector_step", default=None)


@contextlib.contextmanager
def watched() -> Iterator[Step]:
    """Steps that begin inside are noted in the Step that this gives; another thread may read it."""
    step = Step()
    token = _current.set(step)
    try:
        yield step
    finally:
        _current.reset(token)


def begin(text: str) -> None:
    """A step begins; nothing happens when nobody watches."""
    step = _current.get()
    if step is not None:
        step.text, step.since = text, timezone.now()
