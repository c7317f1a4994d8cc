"""The person's side of a connection, as the relay sees it: ssh_channel.py and browser_channel.py implement it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from django.db import DatabaseError, InterfaceError

NO_DATABASE = "The gateway cannot reach its database at the moment, or it is busy. Nothing was begun. Try again soon."
PROBLEM = "The gateway has a problem and could not connect you. Tell an administrator."
UNTIL_UNLOCKED = "You can continue when an administrator unlocks it."


class Downstream(Protocol):
    """The person's side of a connection. Only close() waits."""

    def write(self, data: bytes) -> None:
        """Write to standard output, or to the terminal."""

    def write_error(self, data: bytes) -> None:
        """Write to standard error."""

    def buffered(self) -> int:
        """Return how many written bytes the network has not taken yet."""

    def write_eof(self) -> None:
        """Say that the host's program writes no more. Its end comes later, and later writes are dropped."""

    def end_of_write(self) -> None:
        """Say that the host's program reads no more: what the person still sends has no reader."""

    def pause_reading(self) -> None:
        """Read no more from the person. A second call does nothing."""

    def resume_reading(self) -> None:
        """Read again. A second call does nothing."""

    async def close(self, code: int, reason: str) -> None:
        """Close with the exit status `code`; -n when signal n ended the program. A second call does nothing.

        With a `reason` the connection was cut: it is closed within a second, whatever waits to be sent.
        """


@runtime_checkable
class ShowsState(Protocol):
    """A person's side that can show beside the terminal whether it is frozen.

    `is_final` is set before close() when whoever connects again would be refused.
    """

    is_final: bool

    def show_state(self, is_frozen: bool, title: str, message: str, *, is_lock: bool, by: str = "") -> None:
        """Show the state, whenever it or its text changes. `is_lock` says that an administrator locked it, `by` who."""


class AccessRefused(Exception):
    """Says that the connection was not made. The text is for the person."""


class CommandTooLong(AccessRefused):
    """Says that the host or the gateway takes no command of that length, so nothing was run."""


def message_for_person(error: Exception) -> str:
    """Return what to tell a person who waits because of this error. The error itself is for the log."""
    return NO_DATABASE if isinstance(error, DatabaseError | InterfaceError) else PROBLEM


# Columns, rows, and both in pixels; 0 stands for what is not known, as in SSH.
Size = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Terminal:
    """The properties of the requested pseudo-terminal. An empty kind means none."""

    kind: str = ""
    size: Size = (80, 24, 0, 0)
    modes: Mapping[int, int] | None = None
