"""The gateway holds a limited number of bytes, and a frozen connection loses only what was typed meanwhile."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib

import asyncssh
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils import timezone

from sessions_app.gateway import store
from sessions_app.gateway.downstream import Terminal
from sessions_app.gateway.flows.connect import AuthenticatedClient
from sessions_app.gateway.models import EntryPoint, GatewayConnection
from sessions_app.gateway.opening import open_relay
from sessions_app.privileged.models import PrivilegedSession
from tests.support import builders
from tests.support.control_scene import Person, run
from tests.support.gateway_scene import CHUNK, CHUNKS, MOST, front, prepared, still, transport_of, waiting
from tests.support.waiting import seconds, until

pytestmark = pytest.mark.django_db(transaction=True)


async def push(process: asyncssh.SSHClientProcess[bytes]) -> None:
    """Write as much as the gateway takes, until the test ends."""
    while True:
        process.stdin.write(CHUNK)
        await process.stdin.drain()


@pytest.mark.parametrize("window", [2**31 - 1, 65536])
def test_a_client_that_stops_reading_costs_little_and_loses_nothing(alice: User, window: int) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as client:
            process = await client.create_process(f"flood {CHUNKS}", encoding=None, window=window)
            await until(lambda: there.host.sent > 0, "the host sends")
            transport_of(client).pause_reading()
            await still(there)
            assert there.host.sent < CHUNKS * len(CHUNK)
            assert waiting(there.relay()) < MOST
            transport_of(client).resume_reading()
            output = await process.stdout.read()
            assert hashlib.sha256(output).digest() == hashlib.sha256(CHUNK * CHUNKS).digest()

    given = prepared(alice)
    run(scenario())


def test_a_host_that_stops_reading_costs_little(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as client:
            process = await client.create_process("slow", encoding=None)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(push(process), 1.5)
            assert waiting(there.relay()) < MOST

    given = prepared(alice)
    run(scenario())


def test_what_the_host_says_while_frozen_comes_after_and_what_was_typed_is_gone(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as client:
            process = await client.create_process(encoding=None, term_type="xterm", term_size=(80, 24))
            process.stdin.write(b"before")
            assert await process.stdout.readexactly(8) == b"<before>"
            relay = there.relay()
            relay.freeze("Audit\x1b]0;x\x07", "Ask us")
            shown = await process.stdout.readuntil(b"Ask us")
            assert b"\x1b[?1049h" in shown
            assert b"Audit ]0;x" in shown
            process.stdin.write(b"meanwhile")
            process.change_terminal_size(100, 40)
            there.host.process.stdout.write(b"held")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.stdout.readuntil(b"held"), 0.5)
            assert there.host.sizes == []
            relay.unfreeze()
            after = await process.stdout.readuntil(b"held")
            assert b"\x1b[?1049l" in after
            process.stdin.write(b"after")
            assert await process.stdout.readuntil(b">") == b"<after>"
            assert there.host.typed == b"beforeafter"
            await until(lambda: there.host.sizes[-1:] == [(100, 40)], "the host knows the new size")
            assert there.host.sizes == [(100, 39), (100, 40)]

    given = prepared(alice)
    run(scenario())


def test_a_programs_input_waits_while_frozen(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as client:
            process = await client.create_process("swallow", encoding=None)
            process.stdin.write(b"one")
            await until(lambda: there.host.typed == b"one", "the host reads")
            there.relay().freeze("Audit", "")
            process.stdin.write(b"two")
            process.stdin.write_eof()
            await asyncio.sleep(0.3)
            assert there.host.typed == b"one"
            there.relay().unfreeze()
            done = await process.wait()
            assert (done.exit_status, there.host.typed) == (0, b"onetwo")

    given = prepared(alice)
    run(scenario())


def test_a_cut_says_why_and_ends_it_also_for_who_does_not_read(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as client:
            process = await client.create_process(f"flood {CHUNKS}", encoding=None)
            await until(lambda: there.host.sent > 0, "the host sends")
            transport_of(client).pause_reading()
            await still(there)
            relay = there.relay()
            there.registry.relays[relay.connection_id].retime(timezone.now() + dt.timedelta(seconds=0.2))
            await asyncio.wait_for(relay.closed.wait(), 5)
            await until(lambda: there.host.process.is_closing(), "the host is let go")
            transport_of(client).resume_reading()
            await asyncio.wait_for(process.wait_closed(), 5)

    given = prepared(alice)
    run(scenario())
    assert GatewayConnection.objects.get().end_reason == "ended"


def test_ctrl_x_extends_while_the_notice_is_up_and_reaches_the_program_otherwise(alice: User) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(60)), front(given) as there, await there.connect() as client:
            process = await client.create_process(encoding=None, term_type="xterm")
            process.stdin.write(b"\x18")
            assert await process.stdout.readuntil(b">") == b"<\x18>"
            there.relay().retime(timezone.now() + dt.timedelta(minutes=9))
            assert b"Ctrl+X extends it." in await process.stdout.readuntil(b"it.")
            process.stdin.write(b"\x18")
            while await store.call(PrivilegedSession.objects.filter(extensions=1).count) == 0:
                await asyncio.sleep(0.05)
            process.stdin.write(b"\x18")
            assert b"<\x18>" in await process.stdout.readuntil(b">")
            assert there.host.typed == b"\x18\x18"

    given = prepared(alice, extension_limit=1, end_notice=dt.timedelta(minutes=10))
    run(scenario())


@pytest.mark.parametrize(
    ("entry_point", "language", "sent"),
    [
        (EntryPoint.BROWSER, "C.UTF-8", "C.UTF-8"),
        (EntryPoint.BROWSER, "de_DE.UTF-8", "de_DE.UTF-8"),
        (EntryPoint.BROWSER, "", None),
        (EntryPoint.SSH, "C.UTF-8", None),  # a client says what it wants
    ],
)
def test_a_terminal_in_the_browser_has_the_language_of_the_profile(
    alice: User, entry_point: EntryPoint, language: str, sent: str | None
) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(seconds(30)), front(given) as there:
            login = AuthenticatedClient(alice.pk, given.session.pk, entry_point, "127.0.0.1", "")
            relay = await open_relay(there.registry, login, Person(), Terminal("xterm-256color"))
            await until(lambda: there.host.process is not None, "the host listens")
            assert there.host.process.env.get("LANG") == sent
            relay.client_gone()
            await relay.closed.wait()

    given = prepared(alice, terminal_language=language)
    run(scenario())


@pytest.mark.parametrize(("language", "is_good"), [("", True), ("sr_RS@latin", True), ("C;id", False)])
def test_a_profiles_language_is_a_locale(language: str, is_good: bool) -> None:
    profile = builders.make_profile(terminal_language=language)
    if is_good:
        profile.full_clean()
    else:
        with pytest.raises(ValidationError, match="Write a locale"):
            profile.full_clean()
