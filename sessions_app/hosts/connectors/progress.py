"""The step of a call to a resource that is under way, for another thread that waits for that call."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator
from contextvars import ContextVar

from django.utils import timezone


@dataclasses.dataclass
class Step:
    """What is waited for, and since when. The text follows the resource's name and a colon, and is empty at first."""

    text: str = ""
    since: dt.datetime | None = None


_current: ContextVar[Step | None] = ContextVar("connector_step", default=None)


@contextlib.contextmanager
def watched() -> Iterator[Step]:
    """Return a Step in which the steps that begin inside the block are noted. Another thread may read it."""
    step = Step()
    token = _current.set(step)
    try:
        yield step
    finally:
        _current.reset(token)


def begin(text: str) -> None:
    """Note that a step begins. Nothing happens when nobody watches."""
    step = _current.get()
    if step is not None:
        step.text, step.since = text, timezone.now()
