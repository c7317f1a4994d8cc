"""Exceptions that a flow raises when it does not do what was asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar


class Refused(Exception):
    """Nothing was changed.

    `message` can be shown to the person; `field` is the name of the form field to correct, if there is one.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class TooOften(Refused):
    """The person asked too often, and can try again after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotAllowed(Refused):
    """A rule does not allow this person to do this. The log gets an entry about it (refused_attempts.py)."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message, field=field)
        if (collected := _collected.get()) is not None:
            collected.append(self)


class Forbidden(NotAllowed):
    """The role of the person does not allow the change, whatever is sent."""


_collected: ContextVar[list[NotAllowed] | None] = ContextVar("sessions_app_refusals", default=None)


@contextlib.contextmanager
def collecting() -> Iterator[list[NotAllowed]]:
    """Collect what flows refuse in the block, because their transactions leave nothing of it."""
    found: list[NotAllowed] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)
