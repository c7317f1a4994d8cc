"""What a flow raises when it does not do what it was asked."""

from __future__ import annotations


class Refused(Exception):
    """Nothing was changed. `message` is fit for the person; `field` names the form field to mend, if there is one."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class TooOften(Refused):
    """The person asked too often. It may work again in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Forbidden(Refused):
    """The person's role does not allow it, whatever they send."""
