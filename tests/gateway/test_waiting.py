"""Clients get an answer from the gateway, whichever step of opening their connection fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import asyncssh
import pytest
from asyncssh import constants
from django.contrib.auth.models import User
from django.db import OperationalError
from websockets.asyncio.client import connect as open_socket
from websockets.typing import Origin

from sessions_app.gateway import identity, process, relay, store, terminal_login
from sessions_app.gateway.downstream import NO_DATABASE, PROBLEM
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection, GatewayHeartbeat
from sessions_app.gateway.recording_writer import RecordingWriter
from sessions_app.gateway.recordings import chunks
from sessions_app.gateway.registry import Registry
from sessions_app.gateway.web import serve
from tests.support import builders
from tests.support.control_scene import connect, hold, run
from tests.support.gateway_scene import Front, front, prepared
from tests.support.waiting import seconds, until

pytestmark = pytest.mark.django_db(transaction=True)

STEPS: dict[str, tuple[Any, str]] = {
    "which session is meant": (identity, "session_of"),
    "the connection is noted": (store, "admit"),
    "the recording begins": (chunks, "begin"),
    "the host has let it in": (store, "connected"),
}


def test_a_gateway_waits_for_a_database_that_cannot_be_written_yet(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As web and worker do. A signal meanwhile ends the waiting."""
    read_only = failing(OperationalError("attempt to write a readonly database"))
    tries = iter([read_only, read_only, identity.host_key])
    monkeypatch.setattr(process, "RETRY_SECONDS", 0.01)
    listening: list[int] = []

    def host_key() -> Any:
        return next(tries)()

    def ready(*ports: int) -> None:
        listening.extend(ports)
        os.kill(os.getpid(), signal.SIGTERM)

    options = process.Options("waiting-1", "127.0.0.1", 0, 0, 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(identity, "host_key", host_key)
        run(process.run(options, ready))
    assert len(listening) == 2
    said = [one.message for one in caplog.records if "waits for its database" in one.message]
    assert len(said) == 2
    assert "readonly" in said[0]
    assert not GatewayHeartbeat.objects.exists()

    def never() -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        raise OperationalError("gone")

    monkeypatch.setattr(identity, "host_key", never)
    run(process.run(options, ready))
    assert len(listening) == 2


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    return fail


async def another_gets_in(there: Front) -> bool:
    async with await there.connect() as client:
        done = await client.run("swallow", stdin=asyncssh.DEVNULL)
    return done.exit_status == 0


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("error", "words"), [(OperationalError("database is locked"), NO_DATABASE), (KeyError("x"), PROBLEM)]
)
def test_a_client_is_told_and_let_go_when_a_step_of_letting_it_in_fails(
    alice: User, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception, words: str
) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there:
            there.registry.make_recorder = RecordingWriter(store.call).record
            with monkeypatch.context() as patch:
                patch.setattr(*STEPS[step], failing(error))
                async with await there.connect() as client:
                    done = await client.run("swallow", stdin=asyncssh.DEVNULL)
                    assert done.exit_status == 1
                    assert words in str(done.stderr)
                    terminal = await client.run(term_type="xterm")
                    assert words in str(terminal.stdout)
            assert not there.registry.relays
            assert await another_gets_in(there)

    given = prepared(alice, record=True)
    run(scenario())
    assert not GatewayConnection.objects.open().exists()


def test_a_client_is_told_when_the_end_of_what_failed_cannot_be_noted_either(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "NOTED_WITHIN", 0.1)
    error = OperationalError("database is locked")

    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there, await there.connect() as client:
            with monkeypatch.context() as patch:
                patch.setattr(store, "connected", failing(error))
                patch.setattr(store, "ended", failing(error))
                done = await client.run("swallow", stdin=asyncssh.DEVNULL)
                assert (done.exit_status, NO_DATABASE in str(done.stderr)) == (1, True)
            assert await another_gets_in(there)

    given = prepared(alice)
    run(scenario())
    assert GatewayConnection.objects.open().count() == 1  # which control ends, because nobody holds it


def test_a_client_that_the_database_cannot_know_reads_why_before_it_is_refused(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Client(asyncssh.SSHClient):
        def auth_banner_received(self, msg: str, lang: str) -> None:
            said.append(msg)

    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there:
            with pytest.raises(asyncssh.PermissionDenied):
                await there.connect(client_factory=Client, password="wrong")
            assert said == [f"{NO_DATABASE}\r\n"]  # once, for a key and two ways to send a password

    monkeypatch.setattr(identity, "by_key", failing(OperationalError("gone")))
    monkeypatch.setattr(identity, "by_password", failing(OperationalError("gone")))
    given = prepared(alice)
    run(scenario())


def test_a_forwarded_connection_that_cannot_be_let_in_is_refused_and_the_client_stays(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there, await there.connect() as client:
            with monkeypatch.context() as patch:
                patch.setattr(store, "tcp_targets", failing(OperationalError("gone")))
                with pytest.raises(asyncssh.ChannelOpenError) as refused:
                    await client.open_connection("127.0.0.1", 1)
            assert (refused.value.code, refused.value.reason) == (constants.OPEN_CONNECT_FAILED, NO_DATABASE)
            assert (await client.run("swallow", stdin=asyncssh.DEVNULL)).exit_status == 0

    given = prepared(alice)
    run(scenario())


def test_a_page_is_told_when_its_ticket_cannot_be_looked_up(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        terminals = await serve(Registry("front-1"), "127.0.0.1", 0)
        try:
            url, origin = f"ws://127.0.0.1:{terminals.port}/terminal/", Origin(f"http://127.0.0.1:{terminals.port}")
            async with asyncio.timeout(seconds(30)), open_socket(url, origin=origin) as socket:
                await socket.send(json.dumps({"ticket": "x", "cols": 80, "rows": 24}))
                assert json.loads(await socket.recv()) == {"type": "refused", "reason": NO_DATABASE}
        finally:
            terminals.close()

    monkeypatch.setattr(terminal_login, "open_terminal", failing(OperationalError("gone")))
    run(scenario())


def test_an_extension_that_breaks_is_answered_and_can_be_tried_again(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = connect(builders.make_session(alice, profile=builders.make_profile(extension_limit=1)))

    async def scenario() -> None:
        live, person = hold(Registry("front-1"), mine)
        live._announce()
        with monkeypatch.context() as patch:
            patch.setattr(store, "extend_session", failing(OperationalError("gone")))
            assert live._takes_key(b"\x18")
            await until(lambda: NO_DATABASE.encode() in person.seen, "the person reads why")
        assert live._takes_key(b"\x18")
        live.client_gone()
        await live.closed.wait()

    run(scenario())


def test_a_person_whose_host_side_cannot_be_closed_is_let_go_all_the_same(alice: User) -> None:
    mine = connect(builders.make_session(alice))

    async def scenario() -> None:
        live, person = hold(Registry("front-1"), mine)

        class Broken:
            def abort(self) -> None:
                raise RuntimeError("it is in a state that nobody thought of")

        host: Any = Broken()
        live.bridge._host = host
        live.disconnect(ConnectionEnd.TERMINATED, "Terminated")
        await live.closed.wait()
        assert person.closed == "Terminated"

    run(scenario())
    assert GatewayConnection.objects.get(pk=mine.pk).end_reason == ConnectionEnd.TERMINATED
