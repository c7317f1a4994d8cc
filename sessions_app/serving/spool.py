"""Keep what a download has written and its reader has not taken yet: some in memory, more in a file.

A thread writes and the event loop reads. So the thread, and the query behind it, are done long before a slow reader is.
The file has a limit; when it is full, the thread waits, but not for ever: the reader must empty it at a certain speed.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections import deque
from pathlib import Path

IN_MEMORY = 256 * 1024  # bytes
PIECE = 64 * 1024  # bytes that are read from the file at once
SLOWEST = 32 * 1024  # bytes a second at which a reader must empty a full file


class GaveUp(Exception):
    """Says that nobody reads the download any more: the client is gone, or too slow."""


class Spool:
    """The bytes between one writer and one reader."""

    def __init__(self, largest: int, directory: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._largest = largest
        self._directory = directory
        self._changed = threading.Condition()
        self._memory: deque[bytes] = deque()
        self._in_memory = 0
        self._file: int | None = None
        self._written = self._read = 0  # positions in the file
        self._is_whole = self._gave_up = False
        self.failure: Exception | None = None  # the error that ended the writer

    def put(self, piece: bytes) -> None:
        """Add `piece`. To be called by the writer.

        With an empty piece a writer that has nothing to send yet learns whether somebody still waits. Raises GaveUp,
        and OSError when the file cannot be written.
        """
        if not piece:
            if self._gave_up:
                raise GaveUp
            return
        with self._changed:
            if self._written and self._written + len(piece) > self._largest:
                patience = self._largest / SLOWEST
                if not self._changed.wait_for(lambda: self._gave_up or not self._written, patience):
                    self._gave_up = True
            if self._gave_up:
                self._tell()
                raise GaveUp
            if not self._written and self._in_memory + len(piece) <= max(IN_MEMORY, len(piece)):
                self._memory.append(piece)
                self._in_memory += len(piece)
            else:
                self._write(piece)
        self._tell()

    def end(self) -> None:
        """Mark the download as complete. To be called by the writer."""
        with self._changed:
            self._is_whole = True
        self._tell()

    def give_up(self) -> None:
        """Break the download off. Anybody may call this, any number of times."""
        with self._changed:
            self._gave_up = True
            self._changed.notify_all()
        self._news.set()

    async def get(self) -> bytes | None:
        """Return the next bytes, or None at the end. Raises GaveUp."""
        while True:
            self._news.clear()
            with self._changed:
                if self._gave_up:
                    raise GaveUp
                if self._memory:
                    piece = self._memory.popleft()
                    self._in_memory -= len(piece)
                    return piece
                if self._written:
                    return self._from_file()
                if self._is_whole:
                    return None
            await self._news.wait()

    def close(self) -> None:
        """Close the file. To be called when writer and reader are done."""
        with self._changed:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _write(self, piece: bytes) -> None:
        if self._file is None:
            # The file never has a name, so nothing is left behind even if this process is killed.
            with tempfile.TemporaryFile(dir=self._directory, buffering=0) as file:
                self._file = os.dup(file.fileno())
        rest = memoryview(piece)
        while rest:
            size = os.pwrite(self._file, rest, self._written)
            self._written += size
            rest = rest[size:]

    def _from_file(self) -> bytes:
        assert self._file is not None  # noqa: S101 - something is written
        piece = os.pread(self._file, PIECE, self._read)
        self._read += len(piece)
        if self._read == self._written:
            os.ftruncate(self._file, 0)
            self._read = self._written = 0
            self._changed.notify_all()
        return piece

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._news.set)
