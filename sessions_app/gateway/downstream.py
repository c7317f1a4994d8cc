"""The person's side of a connection, as the relay sees it. Both front doors make one: server.py and the browser's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from django.db import DatabaseError, InterfaceError

NO_DATABASE = "The gateway cannot reach its database at the moment, or it is busy. Nothing was begun. Try again soon."
PROBLEM = "The gateway has a problem and could not connect you. Tell an administrator."
UNTIL_UNLOCKED = "You can do nothing until an administrator unlocks it."


class Near(Protocol):
    """The person's side. Nothing here waits except close()."""

    def write(self, data: bytes) -> None:
        """Standard output, or the terminal."""

    def write_error(self, data: bytes) -> None:
        """Standard error."""

    def buffered(self) -> int:
        """Bytes written that the network has not taken yet."""

    def write_eof(self) -> None:
        """The host's program writes no more; its end comes later. What is written after this is dropped."""

    def end_of_write(self) -> None:
        """The host's program reads no more: what the person still sends goes nowhere."""

    def pause_reading(self) -> None:
        """Take no more from the person; may be called twice."""

    def resume_reading(self) -> None:
        """Go on; may be called twice."""

    async def close(self, code: int, reason: str) -> None:
        """The end: `code` as of a program, -n when signal n killed it. With a `reason` it was cut: be gone within a
        second, whatever waits. May be called twice."""


@runtime_checkable
class ShowsState(Protocol):
    """A near side that can say beside the terminal whether it is frozen."""

    def show_state(self, is_frozen: bool, title: str, message: str, *, is_lock: bool) -> None:
        """Called when it changes, and when the text does. `is_lock`: an administrator did it."""


class NotLetIn(Exception):
    """The connection was not made. The text is fit for the person."""


class CommandTooLong(NotLetIn):
    """Nothing was run, because the host or the gateway takes no command of that length."""


def excuse(error: Exception) -> str:
    """Return what to tell a person whom an error of ours keeps waiting; the error itself is for the log."""
    return NO_DATABASE if isinstance(error, DatabaseError | InterfaceError) else PROBLEM


# Columns, rows, and both in pixels; 0 stands for what is not known, as in SSH.
Size = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Terminal:
    """What a pseudo-terminal is asked for with. An empty kind: none."""

    kind: str = ""
    size: Size = (80, 24, 0, 0)
    modes: Mapping[int, int] | None = None
