"""Terminals in the browser: who may open a terminal, what passes through it, and a page that comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from websockets.exceptions import ConnectionClosed, InvalidStatus

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.gateway import web
from sessions_app.gateway.models import GatewayTicket
from sessions_app.logins import service
from sessions_app.logins.models import EndReason
from tests.support.browser_terminal import (
    ORIGIN,
    Gateway,
    drive,
    ending,
    hello,
    message,
    session_of,
    shown,
    terminal_of,
    ticket_for,
)
from tests.support.builders import make_login

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def console(settings: Any) -> None:
    settings.GATEWAY_ORIGINS = [ORIGIN]
    settings.TRUSTED_PROXIES = []


def test_a_ticket_opens_a_terminal_with_its_size(alice: User) -> None:
    session, login = session_of(alice), make_login(alice)

    async def scenario(gateway: Gateway) -> None:
        async with gateway.socket() as page:
            await page.send(hello(await ticket_for(session, login), cols=132, rows=43))
            assert await message(page) == {"type": "connected", "id": 1, "resumed": False}
            [relay] = gateway.relays
            assert (relay.terminal.kind, relay.terminal.size) == ("xterm-256color", (132, 43, 0, 0))
            assert (relay.login.user_id, relay.login.session_id) == (alice.pk, session.pk)
            assert (relay.login.entry_point, relay.login.address) == ("browser", "127.0.0.1")
            assert relay.login.login_session_id == login.pk
            assert "Firefox" in relay.login.client
            await page.send(b"ls\n")
            assert await shown(page, 3) == b"LS\n"
            await page.send(json.dumps({"type": "resize", "cols": 90, "rows": 30}))
            await page.send(b"x")
            await shown(page, 1)
            assert relay.sizes == [(90, 30)]
        await relay.gone.wait()

    drive(scenario)


def test_bytes_that_are_no_text_pass_unchanged(alice: User) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        async with terminal_of(gateway, session) as page:
            everything = bytes(range(256))
            gateway.relays[0].downstream.write(everything)
            assert await shown(page, 256) == everything
            await page.send(everything[128:])
            await shown(page, 128)
            assert gateway.relays[0].typed == everything[128:]

    drive(scenario)


@pytest.mark.parametrize("origin", ["https://evil.example.com", "https://console.example.com.evil.com"])
def test_a_page_of_another_origin_is_told_so_and_gets_nothing_else(alice: User, origin: str) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        ticket = await ticket_for(session)
        async with gateway.socket(origin=origin) as page:
            with contextlib.suppress(ConnectionClosed):
                await page.send(hello(ticket))
            shown_text = await message(page)
            assert shown_text["type"] == "refused"
            assert f"opens no terminals for pages from {origin}. An administrator has to" in shown_text["reason"]
            assert "GATEWAY_ORIGINS" in shown_text["reason"]
            assert (await ending(page))[0] == web.REFUSED
        assert gateway.relays == []
        async with gateway.socket() as page:  # the ticket was not touched
            await page.send(hello(ticket))
            assert (await message(page))["type"] == "connected"

    drive(scenario)


@pytest.mark.parametrize("origin", ["null", None, "file:///etc/passwd", "ftp://console.example.com"])
def test_what_is_no_page_gets_no_socket(alice: User, origin: str | None) -> None:
    async def scenario(gateway: Gateway) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with gateway.socket(origin=origin):
                pass
        assert refused.value.response.status_code == 403

    drive(scenario)


def test_the_very_host_that_is_asked_is_ours_whatever_the_scheme(settings: Any) -> None:
    settings.GATEWAY_ORIGINS = []
    assert web.is_ours("https://console.example.com", "Console.example.com")
    assert web.is_ours("http://127.0.0.1:4423", "127.0.0.1:4423")
    assert not web.is_ours("http://127.0.0.1:4424", "127.0.0.1:4423")
    assert not web.is_ours("file://console.example.com", "console.example.com")
    assert not web.is_ours("https://", "")
    assert not web.is_ours("http://[", "[")
    assert not web.is_ours("", "")


def test_other_addresses_are_not_found(alice: User) -> None:
    async def scenario(gateway: Gateway) -> None:
        for path in ("/", "/terminal", "/terminal/../", "/terminal/x"):
            with pytest.raises(InvalidStatus) as refused:
                async with gateway.socket(path=path):
                    pass
            assert refused.value.response.status_code == 404

    drive(scenario)


def test_a_ticket_that_is_used_twice_is_refused_and_logged(alice: User) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        ticket = await ticket_for(session)
        async with gateway.socket() as page, gateway.socket() as thief:
            await page.send(hello(ticket))
            await message(page)
            await thief.send(hello(ticket))
            code, reason = await ending(thief)
            assert code == web.REFUSED
            assert "used before" in reason
            assert len(gateway.relays) == 1

    drive(scenario)
    assert LogEntry.objects.filter(verb=Verb.TICKET_REFUSED).count() == 1


def test_a_ticket_from_another_address_or_after_the_logout_is_refused(alice: User) -> None:
    session, login = session_of(alice), make_login(alice)

    async def scenario(gateway: Gateway) -> None:
        elsewhere = await ticket_for(session, address="192.0.2.1")
        ended = await ticket_for(session, login)
        await asyncio.to_thread(service.end, login, EndReason.LOGOUT, actor=None)
        for ticket, words in ((elsewhere, "192.0.2.1"), (ended, "logged out"), ("x" * 40, "not valid")):
            async with gateway.socket() as page:
                await page.send(hello(ticket))
                code, reason = await ending(page)
                assert code == web.REFUSED
                assert words in reason
        assert gateway.relays == []

    drive(scenario)


def test_behind_a_proxy_of_ours_the_browsers_own_address_counts(alice: User, settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1/32"]
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        ticket = await ticket_for(session, address="198.51.100.9")
        async with gateway.socket(headers={"X-Forwarded-For": "203.0.113.5, 198.51.100.9"}) as page:
            await page.send(hello(ticket))
            assert (await message(page))["type"] == "connected"
            assert gateway.relays[0].login.address == "198.51.100.9"

    drive(scenario)


def test_an_address_that_a_stranger_claims_does_not_count(alice: User) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        ticket = await ticket_for(session, address="198.51.100.9")
        async with gateway.socket(headers={"X-Forwarded-For": "198.51.100.9"}) as page:
            await page.send(hello(ticket))
            assert "198.51.100.9" in (await ending(page))[1]

    drive(scenario)


@pytest.mark.parametrize(
    "first",
    [
        "",
        "[]",
        "{}",
        "[" * 50_000,
        b"\xff\x00",
        '{"ticket": 1, "cols": 80, "rows": 24}',
        '{"ticket": "x", "cols": "80", "rows": 24}',
        '{"ticket": "x", "cols": -1, "rows": 24}',
        '{"ticket": "x", "cols": true, "rows": 24}',
        json.dumps({"ticket": "x" * 500, "cols": 80, "rows": 24}),
        '{"ticket": "\\ud800", "cols": 80, "rows": 24}',  # half a character
    ],
)
def test_a_first_message_that_is_no_ticket_ends_the_socket(alice: User, first: str | bytes) -> None:
    async def scenario(gateway: Gateway) -> None:
        async with gateway.socket() as page:
            await page.send(first)
            assert (await ending(page))[0] == web.BAD

    drive(scenario)


def test_who_says_nothing_is_closed_and_others_come_in(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HELLO_SECONDS", 0.5)

    async def scenario(gateway: Gateway) -> None:
        async with gateway.socket() as first, gateway.socket():
            assert (await ending(first))[0] == web.BAD
        async with gateway.socket():
            pass

    drive(scenario)


def test_nothing_of_a_page_that_does_not_confirm_is_lost_when_it_comes_back(alice: User) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        page = await gateway.socket()
        await page.send(hello(await ticket_for(session)))
        number = (await message(page))["id"]
        await page.send(b"one two three")
        assert await shown(page, 13) == b"ONE TWO THREE"
        await page.send(json.dumps({"type": "confirm", "position": 4}))
        await page.send(b".")
        await shown(page, 1)
        page.transport.abort()
        await asyncio.sleep(0.05)
        gateway.relays[0].downstream.write(b" four")
        async with gateway.socket() as again:
            await again.send(hello(await ticket_for(session), resume=number, position=8))
            assert await message(again) == {"type": "connected", "id": number, "resumed": True, "taken": 14}
            assert await shown(again, 11) == b"THREE. four"
            await again.send(b"five")
            assert await shown(again, 4) == b"FIVE"
        assert len(gateway.relays) == 1

    drive(scenario)


def test_a_page_takes_its_terminal_back_before_the_network_noticed_the_break(alice: User) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        half_open = await gateway.socket()
        await half_open.send(hello(await ticket_for(session)))
        number = (await message(half_open))["id"]
        async with gateway.socket() as again:
            await again.send(hello(await ticket_for(session), resume=number, position=0))
            assert (await message(again))["resumed"]
            assert (await ending(half_open))[0] == 1006
            await again.send(b"still here")
            assert await shown(again, 10) == b"STILL HERE"
            assert not gateway.relays[0].gone.is_set()

    drive(scenario)


def test_what_was_typed_before_a_break_and_never_came_is_told_and_comes_no_more(alice: User) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        half_open = await gateway.socket()
        await half_open.send(hello(await ticket_for(session)))
        number = (await message(half_open))["id"]
        [relay] = gateway.relays
        await half_open.send(b"came")
        assert await shown(half_open, 4) == b"CAME"
        relay.downstream.pause_reading()  # the host takes nothing for now
        for _ in range(3):
            await half_open.send(b"late")
        async with gateway.socket() as again:
            await again.send(hello(await ticket_for(session), resume=number, position=4))
            assert (await message(again))["taken"] == 4
            relay.downstream.resume_reading()
            await again.send(b"new")
            assert await shown(again, 3) == b"NEW"
            assert relay.typed == b"camenew"
            assert not relay.gone.is_set()

    drive(scenario)


def test_a_terminal_does_not_wait_for_its_page_for_ever(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "RESUME_SECONDS", 0.2)
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        page = await gateway.socket()
        await page.send(hello(await ticket_for(session)))
        number = (await message(page))["id"]
        page.transport.abort()
        await asyncio.sleep(0.1)
        assert not gateway.relays[0].gone.is_set()
        await gateway.relays[0].gone.wait()
        async with gateway.socket() as late:
            await late.send(hello(await ticket_for(session), resume=number, position=0))
            assert await message(late) == {"type": "connected", "id": 2, "resumed": False}

    drive(scenario)


def test_nobody_takes_over_the_terminal_of_another_person_session_or_browser(alice: User, outsider: User) -> None:
    session, login = session_of(alice), make_login(alice)
    others = [(session_of(outsider), None), (session_of(alice), login), (session, make_login(alice))]

    async def scenario(gateway: Gateway) -> None:
        page = await gateway.socket()
        await page.send(hello(await ticket_for(session, login)))
        number = (await message(page))["id"]
        page.transport.abort()
        for another, browser in others:
            async with gateway.socket() as thief:
                await thief.send(hello(await ticket_for(another, browser), resume=number, position=0))
                assert not (await message(thief))["resumed"]

    drive(scenario)


@pytest.mark.parametrize("goodbye", [json.dumps({"type": "bye"}), None])
def test_leaving_the_page_ends_the_terminal_at_once(alice: User, goodbye: str | None) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        async with terminal_of(gateway, session) as page:
            if goodbye is not None:
                await page.send(goodbye)
                assert (await ending(page))[0] == 1000
        await gateway.relays[0].gone.wait()

    drive(scenario)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        '{"type": "what"}',
        '{"type": "resize", "cols": 1.5, "rows": 2}',
        '{"type": "confirm", "position": 1000}',
        '{"type": "confirm", "position": -1}',
    ],
)
def test_a_message_that_no_page_of_ours_sends_ends_the_terminal(alice: User, text: str) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        async with terminal_of(gateway, session) as page:
            await page.send(text)
            assert (await ending(page))[0] == web.BAD
        await gateway.relays[0].gone.wait()

    drive(scenario)


def test_what_a_page_does_not_confirm_counts_as_waiting(alice: User) -> None:
    """So that the relay reads no more from the host: what a stopped page costs is bounded."""
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        async with terminal_of(gateway, session) as page:
            downstream, much = gateway.relays[0].downstream, b"x" * 300_000
            downstream.write(much)
            await shown(page, len(much))
            assert downstream.buffered() == len(much)
            assert gateway.relays[0].drains == 0
            await page.send(json.dumps({"type": "confirm", "position": 290_000}))
            await page.send(b"y")
            await shown(page, 1)
            assert downstream.buffered() == 10_001
            assert gateway.relays[0].drains == 1

    drive(scenario)


def test_a_program_that_ends_is_shown_to_its_last_byte(alice: User) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        async with terminal_of(gateway, session) as page:
            downstream = gateway.relays[0].downstream
            downstream.write(b"z" * 200_000)
            closing = asyncio.create_task(downstream.close(3, ""))
            await shown(page, 200_000)
            assert await message(page) == {"type": "closed", "code": 3, "reason": "", "is_final": False}
            assert (await ending(page))[0] == 1000
            await closing

    drive(scenario)


def test_a_cut_is_told_with_its_reason_also_to_a_page_that_was_away(alice: User) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        page = await gateway.socket()
        await page.send(hello(await ticket_for(session)))
        number = (await message(page))["id"]
        page.transport.abort()
        await asyncio.sleep(0.05)
        await gateway.relays[0].downstream.close(1, "Terminated by admin.")
        async with gateway.socket() as again:
            await again.send(hello(await ticket_for(session), resume=number, position=0))
            assert (await message(again))["resumed"]
            assert await ending(again) == (1000, "Terminated by admin.")

    drive(scenario)


def test_a_cut_does_not_wait_for_a_page_that_reads_nothing(alice: User) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        async with terminal_of(gateway, session, max_queue=1, close_timeout=0.1):
            downstream = gateway.relays[0].downstream
            downstream.write(b"x" * 30_000_000)
            await asyncio.sleep(0.1)
            await asyncio.wait_for(downstream.close(1, "Terminated."), 5)
            assert downstream.socket is None or downstream.socket.transport.is_closing()

    drive(scenario)


@pytest.mark.parametrize("is_lock", [True, False])
def test_a_lock_or_an_outage_shows_beside_the_terminal_also_after_a_break(alice: User, is_lock: bool) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        page = await gateway.socket()
        await page.send(hello(await ticket_for(session)))
        number = (await message(page))["id"]
        gateway.relays[0].downstream.show_state(True, "Stop", "Call us", is_lock=is_lock, by="admin")
        frozen = {"type": "frozen", "title": "Stop", "message": "Call us", "is_lock": is_lock, "by": "admin"}
        assert await message(page) == frozen
        page.transport.abort()
        async with gateway.socket() as again:
            await again.send(hello(await ticket_for(session), resume=number, position=0))
            await message(again)
            assert await message(again) == frozen
            gateway.relays[0].downstream.show_state(False, "", "", is_lock=is_lock)
            assert await message(again) == {"type": "unfrozen"}

    drive(scenario)


def test_a_message_that_is_too_large_ends_the_terminal(alice: User) -> None:
    session = session_of(alice)

    async def scenario(gateway: Gateway) -> None:
        async with terminal_of(gateway, session) as page:
            await page.send(b"x" * (web.LARGEST_MESSAGE + 1))
            assert (await ending(page))[0] == 1009
        assert gateway.relays[0].typed == b""

    drive(scenario)
    assert GatewayTicket.objects.filter(used_at=None).count() == 0
