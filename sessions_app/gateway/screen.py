"""What must be known of a terminal to write something of our own between a program's output. Pure.

It knows whether the program uses the alternate screen, and which bytes at the end begin an unfinished escape sequence
or UTF-8 character: those are sent again after what we wrote.
"""

from __future__ import annotations

import re

LONGEST_SEQUENCE = 4096  # bytes of an unfinished sequence; what is longer is not one
LOOKED_AT = 64  # bytes at the end of a chunk, unless a longer sequence is under way

_MODES = re.compile(rb"\x1b\[\?([0-9;]{1,200})([hl])")  # bounded: hosts could make it read the same again and again
_ALTERNATE = frozenset({b"1049", b"1047", b"47"})
_FINISHED = re.compile(
    rb"\x1b(?:"
    rb"\[[0-?]*[ -/]*[@-~]"  # CSI
    rb"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC
    rb"|[ -/]+[0-~]"
    rb"|[0-OQ-WYZ`-~\\]"
    rb")"
)
_STRINGS = b"]PX^_"

ENTER = b"\x1b7\x1b[?1049h\x1b(B\x0f\x1b[0m\x1b[2J\x1b[H"
LEAVE = b"\x1b[0m\x1b[?1049l\x1b8"
OVER_ALTERNATE = b"\x1b7\x1b(B\x0f\x1b[0m\x1b[2J\x1b[H"
BACK_TO_ALTERNATE = b"\x1b[0m\x1b[2J\x1b8"
CANCEL = b"\x18"  # ends an escape sequence that is under way (ECMA-48, VT100)
# What a program may have switched on, off again: alternate screen, hidden cursor, mouse reports, bracketed paste,
# application keys, colours. 1047 leaves the alternate screen without moving the cursor of the ordinary one; 1049 would
# put it where it was last kept, in the middle of the text.
RESET = b"\x1b[?1047l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b(B\x0f\x1b[0m"


class Screen:
    """The state of a terminal, from all its output in order."""

    def __init__(self) -> None:
        self.is_alternate = False
        self.is_covered = False  # by a screen of ours
        self.unfinished = b""

    def feed(self, data: bytes) -> None:
        """Read the next bytes of the output."""
        if self.unfinished:
            data = self.unfinished + data
        if b"\x1b[?" in data:
            for found in _MODES.finditer(data):
                if not _ALTERNATE.isdisjoint(found[1].split(b";")):
                    self.is_alternate = found[2] == b"h"
        self.unfinished = _unfinished(data, max(LOOKED_AT, len(self.unfinished) + LOOKED_AT))

    def freeze(self, title: str, message: str, until: str) -> bytes:
        """Return bytes that show these lines on a screen of their own. They must hold no control characters."""
        lines = ["", f"  {title}", "", *([f"  {message}", ""] if message else []), f"  {until}"]
        text = "\r\n".join(lines).encode()
        self.is_covered = True
        return self._cancel() + (OVER_ALTERNATE if self.is_alternate else ENTER) + text

    def unfreeze(self) -> bytes:
        """Return bytes that bring the program's screen back. On the alternate screen the program must paint again."""
        self.is_covered = False
        return (BACK_TO_ALTERNATE if self.is_alternate else LEAVE) + self.unfinished

    def line(self, text: bytes) -> bytes:
        """Return bytes that show one line of ours: above a full-screen program, else between the output."""
        if self.is_alternate:
            return self._cancel() + b"\x1b7\x1b[1;1H\x1b[0;7m " + text + b" \x1b[0m\x1b[K\x1b8" + self.unfinished
        return self._cancel() + b"\r\n\x1b[7m " + text + b" \x1b[0m\r\n" + self.unfinished

    def end(self, text: bytes) -> bytes:
        """Return bytes that show the last line and leave the terminal as a shell needs it."""
        leave = b"\x1b[?1049l" if self.is_alternate or self.is_covered else b""
        return self._cancel() + leave + RESET + b"\r\n" + text + b"\r\n"

    def _cancel(self) -> bytes:
        return CANCEL if self.unfinished.startswith(b"\x1b") else b""


def _unfinished(data: bytes, looked_at: int) -> bytes:
    tail = data[-min(looked_at, LONGEST_SEQUENCE) :]
    begin = tail.rfind(b"\x1b")
    if begin > 0 and tail[begin : begin + 2] in (b"\x1b", b"\x1b\\"):  # may end a string that began before
        before = tail.rfind(b"\x1b", 0, begin)
        if before >= 0 and tail[before + 1 : before + 2] and tail[before + 1] in _STRINGS:
            begin = before
    if begin >= 0:
        return b"" if _FINISHED.match(tail, begin) else tail[begin:]
    return _half_character(tail[-3:])


def _half_character(tail: bytes) -> bytes:
    """Return the incomplete UTF-8 character at the end of `tail`; empty when there is none."""
    for length in range(1, len(tail) + 1):
        byte = tail[-length]
        if byte & 0xC0 == 0x80:
            continue
        wanted = 2 if byte & 0xE0 == 0xC0 else 3 if byte & 0xF0 == 0xE0 else 4 if byte & 0xF8 == 0xF0 else 1
        return tail[-length:] if wanted > length else b""
    return b""
