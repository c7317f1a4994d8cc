"""Write a terminal as asciicast v2, in memory: whole lines, which recording_writer.py takes twice a second.

This is pure and knows nothing of SSH, of the database or of asyncio. Source of the format:
docs.asciinema.org/manual/asciicast/v2/.
"""

from __future__ import annotations

import codecs
import json
import time
from collections.abc import Callable

from sessions_app.gateway.recordings.chunks import TRUNCATED

TOGETHER = 0.01  # seconds within which output becomes one event
MOST_PENDING = 4 * 1024 * 1024  # bytes kept for a database that is slow; what comes beyond is a gap
ROOM_FOR_MARKS = 64 * 1024  # bytes beyond the limit that only markers may use
LONGEST_LABEL = 500  # characters of a marker


class Asciicast:
    """A terminal as lines of asciicast v2, kept until they are taken. Nothing here waits or fails.

    `limit` is the size of the whole recording in bytes. `clock` returns seconds; the times in the recording are
    relative to its start.
    """

    def __init__(
        self,
        *,
        cols: int,
        rows: int,
        started_at: float,
        limit: int,
        title: str = "",
        term: str = "",
        keeps_typed: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._start = clock()
        self._last = 0.0
        self._limit = limit
        self._keeps_typed = keeps_typed
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._decode_typed = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._open: list[str] = []  # text of the event that is not closed yet
        self._open_at = 0.0
        self._open_size = 0  # bytes of it
        self._lines: list[bytes] = []
        self._typed: list[bytes] = []
        self._pending = 0  # bytes in both
        self._lost = 0  # bytes without room since the last that had some
        self._resized = ""  # the new size of the window, when there was no room for it
        self.size = 0  # bytes of the recording so far
        self.is_truncated = False
        self.is_finished = False
        header: dict[str, object] = {"version": 2, "width": cols, "height": rows, "timestamp": int(started_at)}
        if title:
            header["title"] = title
        if term:
            header["env"] = {"TERM": term}
        self._keep(_line(header))

    @property
    def seconds(self) -> float:
        """Return the seconds since the start; never less than before, whatever the clock does."""
        self._last = max(self._last, self._clock() - self._start)
        return self._last

    @property
    def has_pending(self) -> bool:
        """Return whether there is something to take."""
        return bool(self._lines or self._typed or self._open)

    def output(self, data: bytes) -> None:
        """Record bytes that the person sees. A character may be split between calls."""
        if self.is_finished or self.is_truncated:
            return
        if self._pending + len(data) > MOST_PENDING:
            self._lost += len(data)
            return
        if self._lost:
            self._end_gap()
        now = self.seconds
        if self._open and now - self._open_at > TOGETHER:
            self._close_event()
        if not self._open:
            self._open_at = now
        if text := self._decode(data):
            self._open.append(text)
            self._open_size += len(data)
            self._pending += len(data)

    def typed(self, data: bytes) -> None:
        """Record bytes that the person typed, if that is wanted."""
        if not self._keeps_typed or self.is_finished or self.is_truncated or self._pending > MOST_PENDING:
            return
        if text := self._decode_typed(data):
            line = _line([round(self.seconds, 6), "i", text])
            if self.size + len(line) > self._limit:
                self._close_event()  # its output came first
            if self._has_room(line):
                self._typed.append(line)
                self._pending += len(line)
                self.size += len(line)

    def resize(self, cols: int, rows: int) -> None:
        """Record the new size of the window."""
        if self.is_finished or self.is_truncated:
            return
        if self._pending < MOST_PENDING and not self._lost:
            self._resize(f"{cols}x{rows}")
        else:
            self._resized = f"{cols}x{rows}"

    def mark(self, label: str) -> None:
        """Record an event that the replay should show: a lock, an unlock, an extension."""
        if not self.is_finished and self.size < self._limit + ROOM_FOR_MARKS:
            self._event("m", label[:LONGEST_LABEL])

    def finish(self) -> None:
        """End the recording. What comes later is not recorded, and a second call does nothing."""
        if self.is_finished:
            return
        if not self.is_truncated:
            if self._lost:
                self._end_gap()
            if rest := self._decode(b"", True):
                self._open = self._open or []
                self._open_at = self._open_at if self._open else self.seconds
                self._open.append(rest)
        self._close_event()
        self.is_finished = True

    def take(self) -> tuple[bytes, bytes]:
        """Return whole lines since the last call: of the recording, and of what was typed."""
        self._close_event()
        taken = b"".join(self._lines), b"".join(self._typed)
        self._lines, self._typed, self._pending = [], [], 0
        return taken

    def _end_gap(self) -> None:
        lost, self._lost = self._lost, 0
        self._decode(b"", True)  # half a character from before the gap does not go with what follows
        self._event("m", f"Gap: {lost:,} bytes were not recorded, because the database was too slow")
        if self._resized:
            self._resize(self._resized)
            self._resized = ""

    def _resize(self, size: str) -> None:
        self._close_event()
        line = _line([round(self.seconds, 6), "r", size])
        if self._has_room(line):
            self._keep(line)

    def _event(self, code: str, text: str) -> None:
        self._close_event()
        self._keep(_line([round(self.seconds, 6), code, text]))

    def _close_event(self) -> None:
        if not self._open:
            return
        line = _line([round(self._open_at, 6), "o", "".join(self._open)])
        self._open = []
        self._pending -= self._open_size
        self._open_size = 0
        if self._has_room(line):
            self._keep(line)

    def _has_room(self, line: bytes) -> bool:
        """Return whether this line fits. The first one that does not ends the recording."""
        if not self.is_truncated and self.size + len(line) > self._limit:
            self.is_truncated = True
            label = f"{TRUNCATED}{self._limit:,} bytes; nothing more is kept"
            self._keep(_line([round(self.seconds, 6), "m", label]))
        return not self.is_truncated

    def _keep(self, line: bytes) -> None:
        self._lines.append(line)
        self._pending += len(line)
        self.size += len(line)


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
