"""The result of one check, with its grade and what to do about it."""

from __future__ import annotations

import dataclasses
import enum


class Grade(enum.Enum):
    """How bad a finding is. The value is the word that people read."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, in one sentence. `remedy` is empty when nothing needs to be done."""

    name: str
    grade: Grade
    text: str
    remedy: str = ""

    @property
    def is_error(self) -> bool:
        """Return whether sessions suffer from it."""
        return self.grade is Grade.ERROR


def ok(name: str, text: str) -> Finding:
    """Return a finding that says that all is well."""
    return Finding(name, Grade.OK, text)


def warning(name: str, text: str, remedy: str) -> Finding:
    """Return a finding for something that does not stop sessions, but that somebody should look at."""
    return Finding(name, Grade.WARNING, text, remedy)


def error(name: str, text: str, remedy: str) -> Finding:
    """Return a finding for something that sessions need and that does not work."""
    return Finding(name, Grade.ERROR, text, remedy)
