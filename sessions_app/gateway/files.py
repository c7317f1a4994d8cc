"""What is recorded of transferred files. sftp_watch.py and scp_watch.py read the protocols. Pure."""

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
    """What happened to one file.

    `other` is the new name, or what a link points to. `name` is the name within `path`, as scp says it.
    """

    what: FileAction
    path: str
    other: str = ""
    name: str = ""
    size: int = 0  # bytes that passed
    is_complete: bool = True


class FileWatcher(Protocol):
    """Reads along while one connection transfers files. Each method returns what happened to files."""

    def client(self, data: bytes) -> list[FileEvent]:
        """Read the next bytes of the person's program."""

    def host(self, data: bytes) -> list[FileEvent]:
        """Read the next bytes of the host."""

    def end(self) -> list[FileEvent]:
        """Return the files that were not complete when the connection ended."""

    @property
    def is_content(self) -> bool:
        """Return whether the bytes now are the content of a file, which no recording keeps."""
