"""A signal ends a command whatever the main thread does at that moment."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from sessions_app.management.signals import set_by_signals
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.no_database


def test_a_signal_that_comes_while_the_event_is_waited_for_sets_it() -> None:
    event = threading.Event()
    with set_by_signals(event, signal.SIGUSR1):
        with vars(event)["_cond"]:  # as inside event.wait(): the main thread holds the lock that event.set() needs
            os.kill(os.getpid(), signal.SIGUSR1)
        assert event.wait(PATIENCE)
        event.clear()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert event.wait(PATIENCE)


def test_afterwards_the_signal_does_what_it_did_before() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with set_by_signals(threading.Event(), signal.SIGUSR1):
        assert signal.getsignal(signal.SIGUSR1) != before
    assert signal.getsignal(signal.SIGUSR1) == before


def test_more_signals_than_a_pipe_holds_stop_nothing() -> None:
    event = threading.Event()
    with set_by_signals(event, signal.SIGUSR1):
        for _ in range(1_000):
            os.kill(os.getpid(), signal.SIGUSR1)
        assert event.wait(PATIENCE)
