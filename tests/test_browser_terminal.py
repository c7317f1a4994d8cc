"""The terminal in a real Chromium, through a real gateway, on a real host."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from playwright.sync_api import Locator, Page, expect

from sessions_app.flows.lock import lock
from sessions_app.flows.logout import logout
from sessions_app.flows.terminate import terminate
from sessions_app.flows.unlock import unlock
from sessions_app.models import GatewayConnection, LoginSession, PrivilegedSession, Status
from tests import gateway, sshd
from tests.breakable import Way, way_to
from tests.gateway import Gateway
from tests.programs import wait_until
from tests.ssh_scene import given, host_server, prepare

pytestmark = [
    pytest.mark.browser,
    pytest.mark.sshd,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(finders.find("vendor/xterm.mjs") is None, reason="needs xterm.js: python -m scripts.vendor"),
]
Open = Callable[..., Page]
_PAIR = re.compile(r"(?<!\d)(\d{1,3}) (\d{1,3})(?!\d)")


@pytest.fixture
def server(tmp_path: Path, transactional_db: None) -> Iterator[sshd.Server]:
    with host_server(tmp_path) as running:
        yield running


@pytest.fixture
def session(server: sshd.Server, alice: User) -> PrivilegedSession:
    prepare(server, alice)
    return given(alice)


@pytest.fixture
def through(session: PrivilegedSession, tmp_path: Path, live_server: Any, settings: Any) -> Iterator[Gateway]:
    with gateway.serving(tmp_path / "gateway", GATEWAY_ORIGINS=live_server.url) as running:
        settings.GATEWAY_TERMINAL_URL = f"ws://127.0.0.1:{running.terminal_port}/terminal/"
        yield running


@pytest.fixture
def network(through: Gateway, settings: Any) -> Iterator[Way]:
    """Between the page and the gateway."""
    with way_to(through.terminal_port) as way:
        settings.GATEWAY_TERMINAL_URL = f"ws://127.0.0.1:{way.port}/terminal/"
        yield way


def connected(open_as: Open, user: User, session: PrivilegedSession, **options: Any) -> Page:
    """The terminal of the session, opened by its button."""
    page = open_as(user, session.get_absolute_url(), **options)
    page.get_by_role("link", name="Connect in the browser").click()
    expect(status(page)).to_have_text("Connected")
    return page


def status(page: Page) -> Locator:
    return page.locator("#terminal-status")


def screen(page: Page) -> Locator:
    return page.locator(".xterm-rows")


def enter(page: Page, line: str) -> None:
    page.keyboard.type(line)
    page.keyboard.press("Enter")


def test_a_command_runs_on_the_host_and_colours_need_no_permission(
    open_as: Open, alice: User, session: PrivilegedSession, through: Gateway
) -> None:
    page = connected(open_as, alice, session)
    enter(page, "echo $((6*7)) as $(whoami)")
    expect(screen(page)).to_contain_text(f"42 as {session.login_account}")
    enter(page, r"printf '\033[38;2;255;120;0mtruecolor\033[0m \033[31mred\033[0m\n'")
    orange = page.locator(".xterm-rows span", has_text="truecolor").last
    expect(orange).to_have_css("color", "rgb(255, 120, 0)") if _is_dark(page) else expect(orange).to_be_visible()
    assert page.locator(".xterm-screen").bounding_box()
    session.refresh_from_db()
    assert session.status == Status.LOGGED_IN
    row = GatewayConnection.objects.get()
    assert (row.door, row.address) == ("browser", "127.0.0.1")
    assert row.login_session is not None
    page.goto(session.get_absolute_url())
    wait_until(lambda: GatewayConnection.objects.open().count() == 0, "leaving the page ends the connection")


def _is_dark(page: Page) -> bool:
    return bool(page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"))


def test_the_size_follows_the_window_and_the_text_size_is_kept(
    open_as: Open, alice: User, session: PrivilegedSession, through: Gateway
) -> None:
    page = connected(open_as, alice, session)
    enter(page, "stty size")
    before = _size(page)
    page.set_viewport_size({"width": 700, "height": 500})
    page.wait_for_timeout(300)
    enter(page, "clear; stty size")
    page.wait_for_timeout(300)
    after = _size(page)
    assert after[0] < before[0]
    assert after[1] < before[1]
    page.get_by_role("button", name="Larger text").click()
    page.wait_for_timeout(300)
    enter(page, "clear; stty size")
    page.wait_for_timeout(300)
    assert _size(page)[1] < after[1]
    assert page.evaluate("localStorage.getItem('terminal-font-size')") == "15"


def _size(page: Page) -> tuple[int, int]:
    """What stty said last: rows and columns."""
    expect(screen(page)).to_contain_text(_PAIR)
    rows, cols = _PAIR.findall(screen(page).inner_text())[-1]
    return int(rows), int(cols)


def test_what_is_pasted_and_copied(open_as: Open, alice: User, session: PrivilegedSession, through: Gateway) -> None:
    page = connected(open_as, alice, session, permissions=["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('echo pasted-$((2+3))')")
    page.keyboard.press("Control+Shift+V")
    page.keyboard.press("Enter")
    expect(screen(page)).to_contain_text("pasted-5")
    page.evaluate("navigator.clipboard.writeText('echo by-button-$((3+3))')")
    page.get_by_role("button", name="Paste").click()
    page.keyboard.press("Enter")
    expect(screen(page)).to_contain_text("by-button-6")
    page.locator(".xterm-rows span", has_text="by-button-6").last.dblclick(force=True)
    page.keyboard.press("Control+Shift+C")
    expect(status(page)).to_have_text("Copied.")
    assert "6" in page.evaluate("navigator.clipboard.readText()")


def test_a_lock_stops_the_keyboard_and_termination_says_who(
    open_as: Open, alice: User, admin: User, session: PrivilegedSession, through: Gateway
) -> None:
    page = connected(open_as, alice, session)
    enter(page, "echo before")
    expect(screen(page)).to_contain_text("before")
    session.refresh_from_db()
    lock(admin, session, title="Hold on", message="We are looking")
    expect(status(page)).to_have_text("Locked: Hold on. We are looking")
    page.keyboard.type("echo while locked")
    session.refresh_from_db()
    unlock(admin, session)
    expect(status(page)).to_have_text("Unlocked. Connected")
    enter(page, "echo after")
    expect(screen(page)).to_contain_text("after")
    expect(screen(page)).not_to_contain_text("while locked")
    session.refresh_from_db()
    terminate(admin, session)
    expect(status(page)).to_have_attribute("data-kind", "over")
    expect(page.get_by_role("button", name="Reconnect")).to_be_visible()


def test_a_break_of_the_network_loses_nothing(
    open_as: Open, alice: User, session: PrivilegedSession, network: Way
) -> None:
    page = connected(open_as, alice, session)
    enter(page, "for i in 1 2 3 4 5 6; do echo line-$i; sleep 0.4; done; echo done-$((1+1))")
    expect(screen(page)).to_contain_text("line-2")
    network.is_down = True
    network.cut()
    expect(status(page)).to_have_attribute("data-kind", "waiting")
    page.wait_for_timeout(800)
    network.is_down = False
    expect(status(page)).to_have_text("Connected again, where you were")
    expect(screen(page)).to_contain_text("done-2")
    text = screen(page).inner_text()
    assert [text.count(f"line-{number}") for number in range(1, 7)] == [1] * 6
    assert GatewayConnection.objects.count() == 1


def test_who_is_logged_out_loses_the_terminal(
    open_as: Open, alice: User, admin: User, session: PrivilegedSession, through: Gateway
) -> None:
    page = connected(open_as, alice, session)
    logout(admin, LoginSession.objects.get(user=alice, ended_at=None))
    expect(status(page)).to_have_attribute("data-kind", "over")
    wait_until(lambda: GatewayConnection.objects.open().count() == 0, "the connection is cut")
    page.get_by_role("button", name="Reconnect").click()
    expect(page).to_have_url(lambda url: "/accounts/login/" in url)


def test_the_keyboard_gets_out_of_the_terminal(
    open_as: Open, alice: User, session: PrivilegedSession, through: Gateway
) -> None:
    page = connected(open_as, alice, session)
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()
    page.keyboard.press("Control+Shift+Space")
    expect(page.get_by_role("button", name="Smaller text")).to_be_focused()


def test_a_telephone_shows_the_terminal_without_scrolling_sideways(
    open_as: Open, alice: User, session: PrivilegedSession, through: Gateway
) -> None:
    page = connected(open_as, alice, session, viewport={"width": 400, "height": 800})
    box = page.locator("#terminal").bounding_box()
    assert box is not None
    assert box["height"] > 400
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
