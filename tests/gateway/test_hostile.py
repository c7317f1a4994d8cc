"""Hostile clients and hosts that know the protocol cost little, and nobody else notices them."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from typing import Any

import asyncssh
import pytest
from asyncssh import constants
from asyncssh.packet import String, UInt32
from django.contrib.auth.models import User

from activity.models import Level, LogEntry
from activity.verbs import Verb
from sessions_app.catalogue.models import Resource
from sessions_app.errors import Refused
from sessions_app.gateway import identity, pressure, server, ssh_channel, store
from sessions_app.gateway.files import FileAction, FileEvent
from sessions_app.gateway.models import ConnectionEnd, GatewayConnection
from sessions_app.gateway.recording_writer import RecordingWriter
from sessions_app.gateway.recordings.models import Recording
from sessions_app.hosts.flows.ssh_keys import remove_key
from sessions_app.hosts.models import UserKey
from sessions_app.hosts.ssh import ca
from sessions_app.privileged.models import Status
from tests.support import builders
from tests.support.control_scene import run
from tests.support.gateway_scene import CHUNK, CHUNKS, MOST, Front, front, prepared, still, waiting
from tests.support.waiting import seconds, until

pytestmark = pytest.mark.django_db(transaction=True)


async def works(there: Front) -> bool:
    """Return whether somebody else can run a command now."""
    async with await there.connect() as client:
        done = await client.run("swallow", stdin=asyncssh.DEVNULL)
    return done.exit_status == 0


def mute(connection: Any) -> None:
    """Let the client read but ignore everything."""
    connection.data_received = lambda data, datatype=None: None


def test_a_client_that_begins_an_exchange_of_keys_and_never_ends_it_costs_little(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as client:
            await client.create_process(f"flood {CHUNKS}", encoding=None, window=2**31 - 1)
            await until(lambda: there.host.sent > 0, "the host sends")
            mute(client)
            client._send_kexinit()
            await still(there)
            assert there.host.sent < CHUNKS * len(CHUNK)
            assert waiting(there.relay()) < MOST
            assert await works(there)
            client.abort()

    given = prepared(alice)
    run(scenario())


def test_a_host_that_begins_an_exchange_of_keys_and_never_ends_it_costs_little(alice: User) -> None:
    async def scenario() -> None:
        async with (
            asyncio.timeout(seconds(60)),
            front(given, window=2**31 - 1) as there,
            await there.connect() as client,
        ):
            process = await client.create_process("swallow", encoding=None)
            await until(lambda: there.host.process is not None, "the host listens")
            host = there.host.process.channel.get_connection()
            mute(host)
            host._send_kexinit()
            relay = there.relay()
            upstream = relay._upstream
            assert upstream is not None
            await until(lambda: upstream.is_blocked, "the gateway knows of it")
            for _ in range(CHUNKS):
                process.stdin.write(CHUNK)
            await asyncio.sleep(0.5)
            assert waiting(relay) < MOST
            assert await works(there)
            host.abort()

    given = prepared(alice)
    run(scenario())


def test_who_asks_and_never_reads_the_answers_is_dropped(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "MOST_UNREAD_BYTES", 256 * 1024)

    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as client:
            await client.create_process("swallow", encoding=None)
            await until(lambda: bool(there.registry.relays), "it is connected")
            relay = there.relay()
            client._send_kexinit()
            mute(client)
            # Answers are kept while keys are exchanged; what we ask goes out beside the exchange.
            client._kex_complete = True
            for number in range(40_000):
                client.send_packet(
                    constants.MSG_CHANNEL_OPEN, String("no-such-type"), UInt32(number), UInt32(1), UInt32(32768)
                )
            await relay.closed.wait()
            assert await works(there)

    given = prepared(alice)
    run(scenario())
    assert GatewayConnection.objects.order_by("pk")[0].end_reason == ConnectionEnd.CLOSED


@pytest.mark.parametrize("size", [1, 100])
def test_who_wants_each_byte_in_a_packet_of_its_own_is_dropped(alice: User, size: int) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there, await there.connect() as client:
            with pytest.raises((asyncssh.Error, OSError)):
                await client.run("flood 100", encoding=None, max_pktsize=size, check=True)
            assert await works(there)

    given = prepared(alice)
    run(scenario())


def test_a_host_that_wants_each_byte_in_a_packet_of_its_own_is_left(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given, max_pktsize=1) as there, await there.connect() as client:
            done = await client.run("swallow", input=b"text", encoding=None)
            assert done.exit_status == 1
            assert isinstance(done.stderr, bytes)
            assert b"pieces that are too small" in done.stderr

    given = prepared(alice)
    run(scenario())
    assert GatewayConnection.objects.get().end_reason == ConnectionEnd.FAILED


def test_variables_without_end_are_dropped_and_the_usual_ones_reach_the_host(alice: User) -> None:
    many = {f"LC_{number}": "x" * 1000 for number in range(10_000)} | {"LD_PRELOAD": "/tmp/mine.so"}

    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as client:
            await client.create_process("swallow", env={"LANG": "de_DE.UTF-8", "TZ": "UTC"} | many)
            await until(lambda: there.host.process is not None, "the host listens")
            passed = there.host.process.env
            assert passed["LANG"] == "de_DE.UTF-8"
            assert passed["TZ"] == "UTC"
            assert "LD_PRELOAD" not in passed
            downstream: Any = there.relay()._downstream  # what it holds is no part of its type
            stored = downstream._channel.get_environment_bytes()
            assert sum(len(name) + len(value) for name, value in stored.items()) <= ssh_channel.MOST_ENVIRONMENT

    given = prepared(alice)
    run(scenario())


def test_ten_thousand_channels_are_as_many_as_a_client_may_have(alice: User) -> None:
    async def open_one(client: asyncssh.SSHClientConnection) -> int:
        try:
            await client.create_session(asyncssh.SSHClientSession, "slow", encoding=None)
        except asyncssh.ChannelOpenError as error:
            return error.code
        return 0

    async def scenario() -> None:
        async with asyncio.timeout(seconds(120)), front(given) as there, await there.connect() as client:
            opened = await asyncio.gather(*(open_one(client) for _ in range(10_000)))
            assert opened.count(0) == server.MOST_CHANNELS
            assert opened.count(constants.OPEN_RESOURCE_SHORTAGE) == 10_000 - server.MOST_CHANNELS
            await until(lambda: len(there.registry.relays) == server.MOST_CHANNELS, "those have reached the host")
            assert await works(there)

    given = prepared(alice)
    run(scenario())
    assert GatewayConnection.objects.count() == server.MOST_CHANNELS + 1


def test_a_client_that_said_that_it_opens_no_other_session_opens_none(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there, await there.connect() as client:
            assert (await client.run("swallow", stdin=asyncssh.DEVNULL)).exit_status == 0
            await client._make_global_request(b"no-more-sessions@openssh.com")
            with pytest.raises(asyncssh.ChannelOpenError, match="would open no other session"):
                await client.run("swallow", stdin=asyncssh.DEVNULL)

    given = prepared(alice)
    run(scenario())


def test_a_thousand_forwarded_connections_at_once_ask_the_database_for_few(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_answer, ask = threading.Event(), identity.session_of

    def session_of(user_id: int, wanted: str) -> int:
        may_answer.wait(30)
        return ask(user_id, wanted)

    async def forward(client: asyncssh.SSHClientConnection) -> int:
        with pytest.raises(asyncssh.ChannelOpenError) as refused:
            await client.open_connection("127.0.0.1", 1)
        return refused.value.code

    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as client:
            asked = [asyncio.create_task(forward(client)) for _ in range(1000)]
            await until(lambda: sum(one.done() for one in asked) == 1000 - server.MOST_FORWARDED, "most are refused")
            may_answer.set()
            codes = await asyncio.gather(*asked)
            assert codes.count(constants.OPEN_ADMINISTRATIVELY_PROHIBITED) == server.MOST_FORWARDED
            assert codes.count(constants.OPEN_RESOURCE_SHORTAGE) == 1000 - server.MOST_FORWARDED

    monkeypatch.setattr(identity, "session_of", session_of)
    given = prepared(alice)
    run(scenario())
    assert LogEntry.objects.filter(verb=Verb.CONNECTION_REFUSED).count() == 1


def test_a_paste_of_100_mb_arrives_whole_and_costs_little_while_keys_are_exchanged_again_and_again(
    alice: User,
) -> None:
    most = 0

    async def watch(there: Front) -> None:
        nonlocal most
        relay = there.relay()
        while True:
            most = max(most, waiting(relay))
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        often = {"rekey_bytes": 4 * 1024 * 1024}
        async with (
            asyncio.timeout(seconds(120)),
            front(given, **often) as there,
            await there.connect(**often) as client,
        ):
            process = await client.create_process("digest", encoding=None, term_type="xterm")
            await until(lambda: there.host.process is not None, "the host listens")
            watching = asyncio.create_task(watch(there))
            for _ in range(100 * 1024 * 1024 // len(CHUNK)):
                process.stdin.write(CHUNK)
                await process.stdin.drain()
            process.stdin.write_eof()
            assert (await process.wait()).exit_status == 0
            watching.cancel()
            expected = hashlib.sha256(CHUNK * (100 * 1024 * 1024 // len(CHUNK))).hexdigest()
            assert there.host.digest.hexdigest() == expected

    given = prepared(alice)
    run(scenario())
    assert 0 < most < MOST


def test_what_is_sent_back_survives_exchanges_of_keys_on_both_sides(alice: User) -> None:
    async def scenario() -> None:
        often = {"rekey_bytes": 1024 * 1024}
        async with asyncio.timeout(seconds(60)), front(given, **often) as there, await there.connect(**often) as client:
            done = await client.run("flood 512", encoding=None)
            assert isinstance(done.stdout, bytes)
            assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(CHUNK * 512).digest()

    given = prepared(alice)
    run(scenario())


def test_bytes_that_are_no_text_and_pieces_of_characters_pass_as_they_come(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there, await there.connect() as client:
            process = await client.create_process(encoding=None, term_type="xterm")
            everything = bytes(range(256))
            process.stdin.write(everything)
            assert await process.stdout.readexactly(258) == b"<" + everything + b">"
            for piece in (b"\xe2", b"\x82", b"\xac", b"\x1b", b"[3", b"1m", b"\x1b]0;ti", b"tle", b"\x07"):
                there.host.process.stdout.write(piece)
                assert await process.stdout.readexactly(len(piece)) == piece  # at once, not when it is whole

    given = prepared(alice)
    run(scenario())


def test_another_host_key_gets_nothing_and_the_person_is_told(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there, await there.connect() as client:
            there.registry.make_recorder = RecordingWriter(store.call).record
            done = await client.run("swallow", input=b"secret", encoding=None)
            assert done.exit_status == 1
            assert isinstance(done.stderr, bytes)
            assert b"shows another host key than the one that was confirmed" in done.stderr
            assert there.host.process is None

    given = prepared(alice, record=True)
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    Resource.objects.update(host_key=other)
    run(scenario())
    connection = GatewayConnection.objects.get()
    assert connection.end_reason == ConnectionEnd.FAILED
    assert not Recording.objects.exists()
    given.session.refresh_from_db()
    assert given.session.status == Status.AVAILABLE
    closed = LogEntry.objects.get(verb=Verb.CONNECTION_CLOSED)
    assert "another host key" in closed.message
    assert closed.level == Level.WARNING


def test_the_host_is_shown_a_certificate_of_five_minutes_for_this_session_alone(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there, await there.connect() as client:
            await client.create_process(encoding=None, term_type="xterm")
            await until(lambda: bool(there.registry.relays), "it is connected")
            admitted = there.relay().admitted
            certificate: Any = admitted.certificate
            assert certificate._valid_before - time.time() <= 300
            assert certificate.principals == [ca.session_principal(given.session.pk)]
            assert admitted.host.account == given.session.login_account
            assert repr(admitted.key) not in repr(admitted)

    given = prepared(alice)
    run(scenario())


def test_unix_sockets_of_the_host_are_not_forwarded(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there, await there.connect() as client:
            with pytest.raises(asyncssh.ChannelOpenError):
                await client.open_unix_connection("/run/docker.sock")
            with pytest.raises(asyncssh.ChannelListenError):
                await client.forward_remote_path("/tmp/sessionadmin-test.sock", "/run/docker.sock")
            assert await works(there)

    given = prepared(alice, tcp_targets="127.0.0.1:22")
    run(scenario())


def test_a_client_that_is_already_in_opens_nothing_more_with_a_key_that_was_removed(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there, await there.connect() as client:
            assert (await client.run("swallow", stdin=asyncssh.DEVNULL)).exit_status == 0
            await store.call(remove_key, alice, key)
            done = await client.run("swallow", stdin=asyncssh.DEVNULL)
            assert done.exit_status == 1
            assert "Your SSH key was removed meanwhile." in str(done.stderr)

    given = prepared(alice)
    key = UserKey.objects.get()
    run(scenario())
    assert GatewayConnection.objects.count() == 1


@pytest.mark.parametrize("wanted", ["web\x1b]0;owned\x07", "\x1b[2J", "\u202egpj", "a\r\nb", "\x00", "x" * 1000])
def test_what_a_client_asks_for_is_said_again_without_what_could_move_a_terminal(alice: User, wanted: str) -> None:
    with pytest.raises(Refused) as refused:
        identity.session_of(alice.pk, wanted)
    assert "You have no session" in refused.value.message
    assert refused.value.message.isprintable(), repr(refused.value.message)
    assert len(refused.value.message) < 500


def test_names_of_files_reach_the_log_without_what_could_move_a_terminal(alice: User) -> None:
    session = builders.make_session(alice)
    connection = GatewayConnection.objects.create(session=session, gateway="g", entry_point="ssh", address="192.0.2.1")
    name = "a\x1b]0;owned\x07\x9b2J\u202egpj.exe\r\nalice removed b"
    store.note_files(
        connection.pk,
        [
            FileEvent(FileAction.SENT, name, name=name, size=1),
            FileEvent(FileAction.RENAMED, name, other=name),
            FileEvent(FileAction.FETCHED, "x" * 100_000, size=2),
        ],
    )
    entries = list(LogEntry.objects.filter(verb__in=[Verb.FILE_SENT, Verb.FILE_CHANGED, Verb.FILE_FETCHED]))
    assert len(entries) == 3
    for entry in entries:
        for text in (entry.message, *(str(value) for value in entry.details.values())):
            assert text.isprintable(), repr(text)
            assert len(text) < 5000
