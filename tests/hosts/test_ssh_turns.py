"""A host that is silent is asked by one session at a time and not again at once. No host is needed."""

from __future__ import annotations

import time

import pytest

from sessions_app.catalogue.connectors import TemporaryError
from sessions_app.hosts.connectors.ssh import transport

HOST = transport.Host("web-1", "192.0.2.1", 22, "root", "ssh-ed25519 AAAA")
OTHER = transport.Host("web-2", "192.0.2.2", 22, "root", "ssh-ed25519 AAAA")


def entered(turns: transport._Turns, host: transport.Host) -> bool:
    with turns.turn(host):
        return True


def test_a_silent_host_is_not_asked_again_at_once_and_others_are() -> None:
    turns = transport._Turns()
    assert entered(turns, HOST)
    turns.note(HOST, "web-1 cannot be reached")
    with pytest.raises(TemporaryError, match="cannot be reached"):
        entered(turns, HOST)
    assert entered(turns, OTHER)
    turns.note(HOST, "")
    assert entered(turns, HOST)


def test_after_the_silence_one_session_tries_and_the_others_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = transport._Turns()
    turns.note(HOST, "web-1 cannot be reached")
    now = time.monotonic() + transport.SILENCE + 1
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with turns.turn(HOST), pytest.raises(TemporaryError, match="cannot be reached"):
        entered(turns, HOST)


def test_as_many_as_may_be_at_one_host_are(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = transport._Turns()
    monkeypatch.setattr(transport, "PATIENCE", 0.05)
    monkeypatch.setattr(transport, "AT_ONE_HOST", 1)
    with turns.turn(HOST):
        with pytest.raises(TemporaryError, match="busy"):
            entered(turns, HOST)
        assert entered(turns, OTHER)
    assert entered(turns, HOST)
