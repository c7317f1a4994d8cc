"""Exceptions that a flow raises when it does not do what was asked."""

from __future__ import annotations


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


class Forbidden(Refused):
    """The role of the person does not allow the change, whatever is sent."""
