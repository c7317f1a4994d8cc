"""Requests of one web process are answered in turns where the database is SQLite, and none waits for long."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from sessionadmin import turns

WAIT = 10  # seconds, for what happens at once


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Replace the default database by one whose vendor a test can set."""
    connection = SimpleNamespace(vendor="sqlite")
    monkeypatch.setattr(turns, "connections", {"default": connection})
    return connection


class Slow:
    """An application that answers when it is told to, and says how many it answers at the same time."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.inside = self.most = 0
        self.entered = threading.Semaphore(0)
        self.lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.release()
        try:
            assert self.may_end.wait(WAIT)
            return [b"done"]
        finally:
            with self.lock:
                self.inside -= 1


def asked(application: turns.Application, count: int) -> tuple[list[threading.Thread], list[Any]]:
    """Send `count` requests at once. Return their threads, and the list for their answers."""
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(application({}, None))) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, answers


def test_with_sqlite_one_request_is_answered_after_the_other(
    database: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PATIENCE", WAIT)
    slow = Slow()
    threads, answers = asked(turns.in_turns(slow), 4)
    assert slow.entered.acquire(timeout=WAIT)
    assert not slow.entered.acquire(timeout=0.2)  # the others wait
    slow.may_end.set()
    for thread in threads:
        thread.join(WAIT)
    assert answers == [[b"done"]] * 4
    assert slow.most == 1


def test_behind_one_that_takes_its_time_the_others_go_ahead(database: SimpleNamespace) -> None:
    slow = Slow()
    threads, answers = asked(turns.in_turns(slow), 3)
    for _ in range(3):
        assert slow.entered.acquire(timeout=WAIT)
    slow.may_end.set()
    for thread in threads:
        thread.join(WAIT)
    assert answers == [[b"done"]] * 3


def test_a_turn_ends_with_an_error_too(database: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", WAIT)

    def broken(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ:
            raise ValueError("broken")
        return [b"done"]

    application = turns.in_turns(broken)
    with pytest.raises(ValueError, match="broken"):
        application({"REQUEST_METHOD": "GET"}, None)
    threads, answers = asked(application, 1)
    threads[0].join(WAIT / 2)
    assert answers == [[b"done"]]


def test_with_postgresql_threads_wait_for_the_server_together(database: SimpleNamespace) -> None:
    database.vendor = "postgresql"
    slow = Slow()
    assert turns.in_turns(slow) is slow
