"""Which files pass by: what is said of each. Pure; sftp_watch.py and scp_watch.py read the protocols."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

LONGEST_PATH = 1000  # characters of a path that are kept: more stands in no log, and clients could send megabytes


class FileAction(enum.StrEnum):
    """What happened to a file on the host."""

    SENT = "sent"
    FETCHED = "fetched"
    RENAMED = "renamed"
    REMOVED = "removed"
    LINKED = "linked"
    MADE = "made the directory"
    CHANGED = "changed attributes"


@dataclass(frozen=True, slots=True)
class FileEvent:
    """One file. `other`: the new name, or what a link points to; `name`: within `path`, as scp says it."""

    what: FileAction
    path: str
    other: str = ""
    name: str = ""
    size: int = 0  # bytes that passed
    is_complete: bool = True


class Watch(Protocol):
    """Looks on while one connection transfers files."""

    def client(self, data: bytes) -> list[FileEvent]:
        """The next bytes of the person's program."""

    def host(self, data: bytes) -> list[FileEvent]:
        """The next bytes of the host."""

    def end(self) -> list[FileEvent]:
        """The connection is over."""

    @property
    def is_content(self) -> bool:
        """Whether what passes now is the content of a file: that is in no recording."""
