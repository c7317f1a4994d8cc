"""The gateway hands over what was recorded: twice a second, in one transaction, within bounds, and again when the
database did not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from django.db import OperationalError

from sessions_app.gateway.recorder import Recorded
from sessions_app.gateway.recording_writer import AsciicastRecorder, RecordingWriter
from sessions_app.gateway.recordings import chunks
from sessions_app.gateway.recordings.models import Recording, RecordingChunk
from tests.support.recordings import make_connection

pytestmark = pytest.mark.django_db


class Store:
    """store.call without threads, so that it sees the test's transaction; fails as often as it is told to."""

    def __init__(self) -> None:
        self.failures = 0
        self.asked: list[str] = []

    async def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.asked.append(function.__name__)
        if self.failures:
            self.failures -= 1
            raise OperationalError("the database is away")
        return _outside_the_loop(function, *args, **kwargs)


def _outside_the_loop(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function that uses the database. Django would refuse that inside of a running event loop."""
    running = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return function(*args, **kwargs)
    finally:
        asyncio._set_running_loop(running)


class Admitted:
    """As much of store.Admitted as the writer reads."""

    def __init__(self, connection: Any, is_input_recorded: bool = False) -> None:
        self.session_id = connection.session_id
        self.connection_id = connection.pk
        self.is_input_recorded = is_input_recorded


def recorded(*, typed: bool = False, command: str = "", has_terminal: bool = True) -> Recorded:
    admitted = cast(Any, Admitted(make_connection(), typed))
    return Recorded(admitted, command, has_terminal, 80, 24)


def run(work: Callable[[RecordingWriter, Store], Awaitable[None]]) -> Store:
    store = Store()
    asyncio.run(cast(Any, work(RecordingWriter(store), store)))
    return store


def stored(recording_id: int) -> str:
    rows = RecordingChunk.objects.filter(recording_id=recording_id).order_by("number")
    return b"".join(bytes(row.data) for row in rows).decode()


def test_all_terminals_are_handed_over_in_one_call() -> None:
    first, second = recorded(command="top"), recorded()
    made: list[AsciicastRecorder] = []

    async def work(writer: RecordingWriter, store: Store) -> None:
        made.extend([await writer.record(first), await writer.record(second)])
        for recorder in made:
            recorder.output(b"one")
        await writer.flush()
        await writer.flush()

    assert run(work).asked == ["begin", "begin", "append"]
    for recorder in made:
        assert '"o","one"' in stored(recorder.recording_id)
    assert Recording.objects.get(pk=made[0].recording_id).title == "top"
    assert Recording.objects.get(pk=made[0].recording_id).written_at is None


def test_the_end_hands_over_the_rest_and_lets_the_worker_begin() -> None:
    wanted = recorded(typed=True)
    made: list[AsciicastRecorder] = []

    async def work(writer: RecordingWriter, store: Store) -> None:
        made.append(await writer.record(wanted))
        made[0].output(b"last words")
        made[0].typed(b"hunter2")
        await made[0].finish()
        await made[0].finish()
        assert writer.is_empty

    run(work)
    assert "last words" in stored(made[0].recording_id)
    chunk = RecordingChunk.objects.get()
    assert chunk.typed
    assert "hunter2" not in chunk.typed
    assert Recording.objects.get().written_at is not None


def test_lines_of_a_command_without_a_terminal_begin_at_the_left() -> None:
    wanted = recorded(command="ls", has_terminal=False)
    made: list[AsciicastRecorder] = []

    async def work(writer: RecordingWriter, store: Store) -> None:
        made.append(await writer.record(wanted))
        made[0].output(b"one\ntwo\n")
        await made[0].finish()

    run(work)
    assert r"one\r\ntwo\r\n" in stored(made[0].recording_id)


def test_a_database_that_is_away_loses_nothing_and_doubles_nothing(caplog: pytest.LogCaptureFixture) -> None:
    wanted = recorded()
    made: list[AsciicastRecorder] = []

    async def work(writer: RecordingWriter, store: Store) -> None:
        made.append(await writer.record(wanted))
        made[0].output(b"first")
        store.failures = 2
        await writer.flush()
        made[0].output(b"second")
        await made[0].finish()
        assert not writer.is_empty
        await writer.flush()
        assert writer.is_empty

    run(work)
    assert "could not be saved" in caplog.text
    text = stored(made[0].recording_id)
    assert text.count("first") == 1
    assert text.count("second") == 1


def test_a_call_whose_answer_was_lost_may_be_repeated() -> None:
    wanted = recorded()
    made: list[AsciicastRecorder] = []

    async def work(writer: RecordingWriter, store: Store) -> None:
        made.append(await writer.record(wanted))
        made[0].output(b"once")
        await writer.flush()
        piece = RecordingChunk.objects
        again = await store(lambda: [chunks.Piece(row.recording_id, row.number, b"other") for row in piece.all()])
        await store(chunks.append, again)

    run(work)
    assert "once" in stored(made[0].recording_id)
    assert "other" not in stored(made[0].recording_id)


def test_nobody_is_recorded_when_the_row_cannot_be_made() -> None:
    wanted = recorded()

    async def work(writer: RecordingWriter, store: Store) -> None:
        store.failures = 1
        with pytest.raises(OperationalError):
            await writer.record(wanted)
        assert writer.is_empty

    run(work)
    assert not Recording.objects.exists()


def test_it_runs_at_an_interval_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions_app.gateway.recording_writer.WRITE_EVERY_SECONDS", 0.01)
    wanted = recorded()
    made: list[AsciicastRecorder] = []

    async def work(writer: RecordingWriter, store: Store) -> None:
        made.append(await writer.record(wanted))
        task = asyncio.create_task(writer.run())
        made[0].output(b"by itself")
        while "append" not in store.asked:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work)
    assert "by itself" in stored(made[0].recording_id)
