"""What a check found: good, worth a look, or wrong, and then what to do about it."""

from __future__ import annotations

import dataclasses
import enum


class Grade(enum.Enum):
    """How bad it is; the value is what people read."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing. `remedy` is empty when nothing needs to be done."""

    name: str
    grade: Grade
    text: str
    remedy: str = ""

    @property
    def is_error(self) -> bool:
        """Whether sessions suffer from it."""
        return self.grade is Grade.ERROR


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name, Grade.OK, text)


def warning(name: str, text: str, remedy: str) -> Finding:
    """Sessions work; somebody should look at it."""
    return Finding(name, Grade.WARNING, text, remedy)


def error(name: str, text: str, remedy: str) -> Finding:
    """Something that sessions need does not work."""
    return Finding(name, Grade.ERROR, text, remedy)
