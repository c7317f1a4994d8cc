"""Write what all terminals of this process recorded to the database twice a second, in one transaction.

So any machine can show it live, and a gateway that is killed loses less than a second. The worker makes the file
(recordings/assemble.py). While the database does not answer, the lines wait here, up to a limit; what does not fit
becomes a marked gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.views.decorators.debug import sensitive_variables

from sessions_app.gateway.recorder import Recorded
from sessions_app.gateway.recording import Asciicast
from sessions_app.gateway.recordings import chunks
from sessions_app.gateway.recordings.chunks import Piece
from sessions_app.sealing import SealingError

logger = logging.getLogger(__name__)

WRITE_EVERY_SECONDS = 0.5
MOST_IN_ONE = 4 * 1024 * 1024  # bytes after which a transaction ends


class Call(Protocol):
    """The type of store.call, which runs a function where the database may be asked."""

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Return what the function returns, and raise what it raises."""


class AsciicastRecorder:
    """A terminal that is being recorded. recorder.Recorder says what each call means."""

    def __init__(self, writer: RecordingWriter, recording_id: int, cast: Asciicast, *, has_terminal: bool) -> None:
        self.recording_id = recording_id
        self.cast = cast
        self.output = cast.output if has_terminal else self._output_of_pipe
        self.resize = cast.resize
        self.mark = cast.mark
        self.typed = cast.typed
        self.pieces = 0  # handed over so far
        self._writer = writer

    def _output_of_pipe(self, data: bytes) -> None:
        """Add the carriage returns that a terminal on the host would add, because the replay needs them."""
        self.cast.output(data.replace(b"\n", b"\r\n"))

    async def finish(self) -> None:
        """Write what is left. Never raises: what the database does not take now is tried again."""
        self.cast.finish()
        await self._writer.finish(self.recording_id)


class RecordingWriter:
    """All recorders of one process. The registry calls `record` for each new terminal."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._recorders: dict[int, AsciicastRecorder] = {}
        self._unsaved: list[Piece] = []  # taken from the recorders, and not in the database for certain
        self._turn = asyncio.Lock()

    async def record(self, recorded: Recorded) -> AsciicastRecorder:
        """Return a recorder for a new terminal.

        Raises DatabaseError and SealingError; then nobody may get in without a recording.
        """
        admitted = recorded.admitted
        row = await self._call(
            chunks.begin,
            session_id=admitted.session_id,
            connection_id=admitted.connection_id,
            cols=recorded.cols,
            rows=recorded.rows,
            title=recorded.command,
            keeps_typed=admitted.is_input_recorded,
        )
        cast = Asciicast(
            cols=recorded.cols,
            rows=recorded.rows,
            started_at=row.started_at.timestamp(),
            limit=settings.RECORDING_MAX_BYTES,
            title=row.title,
            keeps_typed=admitted.is_input_recorded,
        )
        recorder = self._recorders[row.pk] = AsciicastRecorder(self, row.pk, cast, has_terminal=recorded.has_terminal)
        return recorder

    async def run(self) -> None:
        """Write at an interval, until cancelled. Then flush() must be called once more."""
        while True:
            await asyncio.sleep(WRITE_EVERY_SECONDS)
            await self.flush()

    @property
    def is_empty(self) -> bool:
        """Return whether everything that was recorded is in the database."""
        return not self._unsaved and not self._recorders

    async def flush(self) -> None:
        """Write what there is now. An error of the database is logged, and the next turn tries again."""
        async with self._turn:
            await self._flush()

    async def finish(self, recording_id: int) -> None:
        """Write the rest of one recording, unless an earlier turn has written it."""
        async with self._turn:
            if recording_id in self._recorders:
                await self._flush()

    @sensitive_variables()
    async def _flush(self) -> None:
        try:
            if self._unsaved:
                await self._save()
            for recorder in list(self._recorders.values()):
                self._take(recorder)
                if sum(len(piece.data) + len(piece.typed) for piece in self._unsaved) > MOST_IN_ONE:
                    await self._save()
            if self._unsaved:
                await self._save()
            await self._forget_finished()
        except (DatabaseError, InterfaceError, SealingError):
            logger.exception("What was recorded could not be saved; trying again")

    def _take(self, recorder: AsciicastRecorder) -> None:
        data, typed = recorder.cast.take()
        if data or typed:
            self._unsaved.append(Piece(recorder.recording_id, recorder.pieces, data, typed))
            recorder.pieces += 1

    async def _save(self) -> None:
        await self._call(chunks.append, self._unsaved)
        self._unsaved = []

    async def _forget_finished(self) -> None:
        over = [pk for pk, one in self._recorders.items() if one.cast.is_finished and not one.cast.has_pending]
        if over:
            await self._call(chunks.written, over)
            for pk in over:
                del self._recorders[pk]
