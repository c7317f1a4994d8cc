"""What happened on a connection reaches the log, also when the database is away for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from sessions_app.gateway import log_batcher as notes_module
from sessions_app.gateway.file_log import FileLog
from sessions_app.gateway.log_batcher import LogBatcher
from sessions_app.gateway.models import ConnectionEnd
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.scp_watch import ScpWatch
from tests.support import builders
from tests.support.control_scene import OWNER, connect, hold, run
from tests.support.waiting import seconds


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes_module, "WRITE_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(notes_module, "RETRY_PAUSES_SECONDS", (0.01, 0.01))


class Log:
    """A log that fails so many times before it stores events."""

    def __init__(self, failures: int = 0) -> None:
        self.written: list[str] = []
        self.failures = failures
        self.arrived = asyncio.Event()
        self.delay = asyncio.Event()
        self.delay.set()

    async def __call__(self, events: Sequence[Any]) -> None:
        self.arrived.set()
        await self.delay.wait()
        if self.failures:
            self.failures -= 1
            raise OperationalError("away")
        self.written += events


def test_what_comes_while_the_database_writes_is_written_after_it() -> None:
    async def scenario() -> None:
        log = Log()
        notes = LogBatcher[str](log, "Words")
        log.delay.clear()
        notes.add(["first"])
        await log.arrived.wait()
        notes.add(["second"])
        log.delay.set()
        async with asyncio.timeout(seconds(10)):
            while len(log.written) < 2:
                await asyncio.sleep(0.01)
        assert log.written == ["first", "second"]

    asyncio.run(scenario())


@pytest.mark.parametrize("failures", [1, 2])
def test_a_database_that_comes_back_gets_everything_in_order(failures: int) -> None:
    async def scenario() -> None:
        log = Log(failures)
        notes = LogBatcher[str](log, "Words")
        notes.add(["first"])
        notes.add(["second"])
        async with asyncio.timeout(seconds(10)):
            while not log.written:
                await asyncio.sleep(0.01)
        log.failures = failures
        await notes.finish(["third"])
        assert log.written == ["first", "second", "third"]

    asyncio.run(scenario())


def test_the_end_does_not_wait_for_a_database_for_ever() -> None:
    async def scenario() -> None:
        notes = LogBatcher[str](Log(1000), "Words")
        notes.add(["first"])
        with pytest.raises(OperationalError):
            await notes.finish()

    asyncio.run(scenario())


@pytest.mark.django_db(transaction=True)
def test_a_recording_is_closed_whatever_becomes_of_the_files(alice: User) -> None:
    row = connect(builders.make_session(alice))
    closed: list[bool] = []

    class Recorder:
        output = resize = mark = typed = staticmethod(lambda *args: None)

        async def finish(self) -> None:
            closed.append(True)

    async def scenario() -> None:
        relay, _ = hold(Registry(OWNER), row, terminal="")
        relay.bridge.files = FileLog(relay.admitted, ScpWatch("scp -t /"))
        relay.bridge.files._log = LogBatcher(Log(1000), "Files")
        relay.bridge.files.client(b"C0644 0 empty\n")
        relay.bridge.files.client(b"\0")
        relay.bridge.recorder = Recorder()
        relay.client_gone()
        await relay.closed.wait()

    run(scenario())
    assert closed
    row.refresh_from_db()
    assert row.end_reason == ConnectionEnd.CLOSED
