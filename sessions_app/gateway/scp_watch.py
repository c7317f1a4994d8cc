"""See which files are transferred with scp, without changing a byte. Pure: bytes in, events out.

Feed it both directions in their order. It ignores what it cannot read, and never raises. Source: OpenSSH's scp.c.
"""

from __future__ import annotations

import re
import shlex

from sessions_app.gateway.files import LONGEST_PATH, FileAction, FileEvent

MOST_FOLDERS = 1024
LONGEST_LINE = 8192  # bytes
SHELL = frozenset(";&|<>()`$\n\r")  # with one of these a command may be more than one program
SCP = re.compile(r"(?:/\S*/)?scp(?: -[A-Za-z]+)* -[A-Za-z]*[tf][A-Za-z]* ")


def is_scp(command: str) -> bool:
    """Return whether a client's scp started this on the host: scp -t or scp -f."""
    return SCP.match(f"{command} ") is not None


class ScpWatch:
    """The protocol of scp -t (the host receives files) and scp -f (it sends files).

    One side sends lines and content; the other answers each line with a zero byte or an error.
    """

    def __init__(self, command: str) -> None:
        try:
            words = shlex.split(command)
        except ValueError:
            words = command.split()
        flags = "".join(word[1:] for word in words[1:] if word.startswith("-"))
        self._is_alone = SHELL.isdisjoint(command)
        self._path = words[-1][:LONGEST_PATH] if len(words) > 1 else ""
        self._what = FileAction.SENT if "t" in flags else FileAction.FETCHED
        self._folders: list[str] = []  # each with those around it: a/, a/b/
        self._line = bytearray()
        self._name = ""
        self._size = self._left = 0
        self._state = "line"  # line, asked (the answer to a C line is awaited), content, end (its last byte)

    def client(self, data: bytes) -> list[FileEvent]:
        """Read the client's bytes: it sends files with -t, and answers with -f."""
        return self._sent(data) if self._what == FileAction.SENT else self._answered(data)

    def host(self, data: bytes) -> list[FileEvent]:
        """Read the host's bytes: it answers with -t, and sends files with -f."""
        return self._answered(data) if self._what == FileAction.SENT else self._sent(data)

    def end(self) -> list[FileEvent]:
        """Return the file that did not arrive completely."""
        return [self._event(is_complete=False)] if self._state in ("content", "end") else []

    @property
    def is_content(self) -> bool:
        """Return whether the bytes are certainly the content of a file.

        Anything else could be the output of a program that only calls itself scp, or that runs beside one.
        """
        return self._is_alone and self._what == FileAction.FETCHED and self._state in ("content", "end")

    def _answered(self, data: bytes) -> list[FileEvent]:
        if self._state == "asked" and data:
            self._state = "line" if data[0] else "content"
        return []

    def _sent(self, data: bytes) -> list[FileEvent]:
        events, at = [], 0
        while at < len(data):
            if self._state == "asked":  # a client that does not wait for the answer
                self._state = "content"
            if self._state == "content":
                taken = min(self._left, len(data) - at)
                self._left -= taken
                at += taken
                if self._left == 0:
                    self._state = "end"
            elif self._state == "end":
                self._state = "line"
                events.append(self._event(is_complete=data[at] == 0))
                at += 0 if data[at] else 1  # a complaint is a line
            else:
                end = data.find(b"\n", at)
                stop = len(data) if end < 0 else end
                self._line += data[at:stop][: LONGEST_LINE - len(self._line)]
                at = stop + 1
                if end >= 0:
                    self._read(bytes(self._line))
                    self._line = bytearray()
        return events

    def _read(self, line: bytes) -> None:
        text = line.decode(errors="replace")
        words = text.split(" ", 2)
        if text.startswith("C") and len(words) == 3 and words[1].isdecimal() and len(words[1]) < 20:
            self._name = self._within(words[2])
            self._size = self._left = int(words[1])
            self._state = "asked"
        elif text.startswith("D") and len(words) == 3 and len(self._folders) < MOST_FOLDERS:
            self._folders.append(self._within(f"{words[2]}/"))
        elif text.startswith("E") and self._folders:
            self._folders.pop()

    def _within(self, name: str) -> str:
        return ((self._folders[-1] if self._folders else "") + name)[:LONGEST_PATH]

    def _event(self, *, is_complete: bool) -> FileEvent:
        size = self._size - self._left
        return FileEvent(self._what, self._path, name=self._name, size=size, is_complete=is_complete)
