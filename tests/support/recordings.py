"""Recordings for tests: written as a gateway writes them, closed as a worker closes them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from sessions_app.gateway.models import ConnectionEnd, EntryPoint, GatewayConnection
from sessions_app.gateway.recording import Asciicast
from sessions_app.gateway.recordings import assemble, chunks
from sessions_app.gateway.recordings.chunks import Piece
from sessions_app.gateway.recordings.models import Recording
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support.builders import make_session
from tests.support.pages import elements

LIMIT = 64 * 1024 * 1024


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make_cast(clock: Clock | None = None, **values: Any) -> Asciicast:
    """Return the recording of a terminal with 80 columns and 24 rows."""
    defaults: dict[str, Any] = {"cols": 80, "rows": 24, "started_at": 1_800_000_000.0, "limit": LIMIT}
    return Asciicast(**(defaults | values), clock=clock or Clock())


def make_connection(session: PrivilegedSession | None = None, **values: Any) -> GatewayConnection:
    """Create a connection. It is open unless `ended_at` is given."""
    session = session or make_session(status=Status.LOGGED_IN)
    defaults: dict[str, Any] = {
        "gateway": "gateway-of-the-test",
        "entry_point": EntryPoint.SSH,
        "address": "198.51.100.7",
    }
    return GatewayConnection.objects.create(session=session, **(defaults | values))


def make_running(session: PrivilegedSession | None = None, *, keeps_typed: bool = False, title: str = "") -> Recording:
    """Create a recording that has just begun and has no piece yet."""
    connection = make_connection(session)
    return chunks.begin(
        session_id=connection.session_id,
        connection_id=connection.pk,
        cols=80,
        rows=24,
        title=title,
        keeps_typed=keeps_typed,
    )


def add(recording: Recording, cast: Asciicast) -> None:
    """Add one more piece to the recording, with what `cast` has collected."""
    data, typed = cast.take()
    chunks.append([Piece(recording.pk, recording.chunks.count(), data, typed)])


def end(recording: Recording, **values: Any) -> None:
    """End the connection of the recording, after all its pieces were written."""
    chunks.written([recording.pk])
    ended = {"ended_at": timezone.now(), "end_reason": ConnectionEnd.CLOSED} | values
    GatewayConnection.objects.filter(pk=recording.connection_id).update(**ended)


def make_recording(
    session: PrivilegedSession | None = None,
    *events: tuple[float, str],
    days_ago: float = 0,
    title: str = "",
    typed: str = "",
) -> Recording:
    """Create a recording that has ended. `events` are seconds and the output at that time; `typed` is the input."""
    recording = make_running(session, title=title, keeps_typed=bool(typed))
    clock = Clock()
    cast = make_cast(clock, started_at=recording.started_at.timestamp(), title=title, keeps_typed=bool(typed))
    cast.typed(typed.encode())
    for at, text in events or ((1.0, "$ whoami\r\n"), (2.0, "alice\r\n")):
        clock.now = 100.0 + at
        cast.output(text.encode())
        add(recording, cast)
    cast.finish()
    add(recording, cast)
    end(recording)
    assert assemble.close(recording.pk)
    if days_ago:
        past = timezone.now() - dt.timedelta(days=days_ago)
        Recording.objects.filter(pk=recording.pk).update(ended_at=past)
    return Recording.objects.get(pk=recording.pk)


def pieces_address(client: Client, pk: int) -> str:
    player = elements(client.get(f"/recordings/{pk}/live/")).find(".//div[@id='player']")
    if player is None:
        pytest.skip("the player is not installed (.venv/bin/python -m scripts.vendor)")
    return player.get("data-pieces", "")
