"""The terminal in a real Chromium, through a real gateway, on a real host."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.core import mail
from django.test import Client
from playwright.sync_api import Locator, Page, expect

from sessions_app.catalogue.models import ConnectionProfile
from sessions_app.gateway.models import GatewayConnection
from sessions_app.logins.flows.logout import logout
from sessions_app.logins.models import LoginSession
from sessions_app.not_me.mail import send_waiting
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.terminate import terminate
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support import gateway, machine, sshd
from tests.support.breakable import Way, way_to
from tests.support.browser import axe_finds
from tests.support.builders import PASSWORD
from tests.support.gateway import Gateway
from tests.support.ssh_scene import given, prepare
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.sshd,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(finders.find("vendor/xterm.mjs") is None, reason="needs xterm.js: python -m scripts.vendor"),
]
Open = Callable[..., Page]
# Size of the text, height of a row, and what is free below the last row; pixels.
HEIGHTS = """() => {
  const rows = [...document.querySelectorAll(".xterm-rows > div")], frame = document.getElementById("terminal");
  const free = frame.getBoundingClientRect().bottom - rows.at(-1).getBoundingClientRect().bottom;
  return [parseFloat(getComputedStyle(rows[0]).fontSize), rows[0].clientHeight, free];
}"""
ROCKET, ACCENT = "\N{ROCKET}", "\N{COMBINING ACUTE ACCENT}"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def session(server: sshd.Server, alice: User) -> PrivilegedSession:
    prepare(server, alice)
    return given(alice)


@pytest.fixture
def through(session: PrivilegedSession, tmp_path: Path, live_server: Any, settings: Any) -> Iterator[Gateway]:
    with gateway.serving(tmp_path / "gateway", "--drain-seconds", "0", GATEWAY_ORIGINS=live_server.url) as running:
        settings.GATEWAY_TERMINAL_URL = f"ws://127.0.0.1:{running.terminal_port}/terminal/"
        yield running


@pytest.fixture
def network(through: Gateway, settings: Any) -> Iterator[Way]:
    """Put a connection that a test can cut between the page and the gateway."""
    with way_to(through.terminal_port) as way:
        settings.GATEWAY_TERMINAL_URL = f"ws://127.0.0.1:{way.port}/terminal/"
        yield way


def connected(open_as: Open, user: User, session: PrivilegedSession, **options: Any) -> Page:
    """Open the terminal of the session by its button, and return the page."""
    page = open_as(user, session.get_absolute_url(), **options)
    page.get_by_role("link", name="Connect", exact=True).click()
    expect(status(page)).to_have_text("Connected")
    return page


def status(page: Page) -> Locator:
    return page.locator("#terminal-status")


def screen(page: Page) -> Locator:
    return page.locator(".xterm-rows")


def enter(page: Page, line: str) -> None:
    page.keyboard.type(line)
    page.keyboard.press("Enter")


def test_a_terminal_with_colours_sizes_and_a_clipboard(
    open_as: Open, alice: User, session: PrivilegedSession, through: Gateway
) -> None:
    page = connected(open_as, alice, session, permissions=["clipboard-read", "clipboard-write"])
    session.refresh_from_db()
    assert session.status == Status.LOGGED_IN
    row = GatewayConnection.objects.get()
    assert (row.entry_point, row.address) == ("browser", "127.0.0.1")
    assert row.login_session is not None

    enter(page, "echo $((6*7)) as $(whoami)")
    expect(screen(page)).to_contain_text(f"42 as {session.login_account}")
    enter(page, r"clear; printf '\033[38;2;150;60;0mtrue\033[0m \033[31mred\033[0m plain\n'")
    brown = page.locator(".xterm-rows span", has_text=re.compile("^true$"))
    expect(brown).to_have_css("color", "rgb(150, 60, 0)")

    assert column_after(page, ROCKET * 2) == 5
    assert column_after(page, "e" + ACCENT + "日本") == 6

    text, row, below = page.evaluate(HEIGHTS)
    assert row >= 1.2 * text, "lower rows cut underscores off"
    assert 0 < below < 2 * row, "the last row is cut, or there was room for another"

    page.evaluate(machine.axe_source())
    found = page.evaluate("rules => axe.run({ runOnly: rules })", RULES)["violations"]
    assert [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]] == []

    first = _size(page)
    page.set_viewport_size({"width": 700, "height": 500})
    smaller = _size(page, differs_from=first)
    assert smaller[0] < first[0]
    assert smaller[1] < first[1]
    page.get_by_role("button", name="Larger text").click()
    assert _size(page, differs_from=smaller)[1] < smaller[1]
    assert page.evaluate("localStorage.getItem('terminal-font-size')") == "15"

    page.evaluate("navigator.clipboard.writeText('echo pasted-$((2+3))')")
    page.keyboard.press("Control+Shift+V")
    page.keyboard.press("Enter")
    expect(screen(page)).to_contain_text("pasted-5")
    page.evaluate("navigator.clipboard.writeText('echo by-button-$((3+3))')")
    page.get_by_role("button", name="Paste").click()
    expect(screen(page)).to_contain_text("echo by-button")
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()
    page.keyboard.press("Enter")
    expect(screen(page)).to_contain_text("by-button-6")
    enter(page, "clear; echo copied-$((4+4))")
    line = page.locator(".xterm-rows > div", has_text=re.compile("^copied-8"))
    box = line.bounding_box()
    assert box is not None
    page.mouse.dblclick(box["x"] + 8, box["y"] + box["height"] / 2)
    page.keyboard.press("Control+Shift+C")
    expect(status(page)).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "copied-8"

    page.keyboard.press("Control+Shift+Space")
    expect(page.get_by_role("button", name="Smaller text")).to_be_focused()
    for name in ("Larger text", "Copy", "Paste", "Disconnect", "Session", "Screen reader"):
        page.keyboard.press("Tab")
        expect(page.locator("#terminal-tools > :focus")).to_contain_text(name.removeprefix("Larger text"))
    page.keyboard.press("Enter")
    expect(page.locator(".xterm-accessibility")).to_contain_text("copied-8")
    page.keyboard.press("Tab")
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()
    page.set_viewport_size({"width": 400, "height": 800})
    terminal = page.locator("#terminal").bounding_box()
    assert terminal is not None
    assert terminal["height"] > 400
    assert page.evaluate("document.documentElement.scrollWidth") <= 400

    fingers(connected(open_as, alice, session, has_touch=True, is_mobile=True, viewport={"width": 400, "height": 800}))
    page.on("dialog", lambda dialog: dialog.accept())  # it asks before a terminal is closed
    page.goto(session.get_absolute_url())
    wait_until(lambda: not GatewayConnection.objects.open().exists(), "leaving the page ends the connection")


def column_after(page: Page, text: str) -> int:
    """Return the column of the terminal's cursor after it printed `text` from the beginning of the first line."""
    octal = "".join(f"\\{byte:03o}" for byte in text.encode())
    ask = rf"printf '\033[H\033[2J{octal}\033[6n'; at=$(dd bs=1 count=6 2>/dev/null | tr -d '\033')"
    enter(page, f'stty -icanon -echo; {ask}; stty sane; echo; echo "after {len(octal)}:$at:"')
    found = re.compile(rf"after {len(octal)}:\[1;(\d)R:")  # not what stands there from the last time
    expect(screen(page)).to_contain_text(found)
    match = found.search(screen(page).inner_text())
    assert match is not None
    return int(match[1])


def fingers(page: Page) -> None:
    """Keys that a telephone's keyboard lacks; Ctrl counts for the next key alone."""
    enter(page, "echo touched; sleep 60")
    page.get_by_role("button", name="Ctrl", exact=True).tap()
    expect(page.locator(".xterm-helper-textarea")).to_be_focused()
    page.keyboard.type("c")
    expect(screen(page)).to_contain_text("^C")
    expect(page.get_by_role("button", name="Ctrl", exact=True)).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Up", exact=True).tap()
    expect(screen(page).get_by_text("sleep 60")).to_have_count(2)
    page.close()


def _size(page: Page, differs_from: tuple[int, int] | None = None) -> tuple[int, int]:
    """Rows and columns as the host knows them."""
    for _ in range(40):
        enter(page, "clear; echo size:$(stty size | tr ' ' x):")
        found = re.compile(r"size:(\d+)x(\d+):")
        expect(screen(page)).to_contain_text(found)
        match = found.search(screen(page).inner_text())
        if match and (size := (int(match[1]), int(match[2]))) != differs_from:
            return size
    raise AssertionError("The host was never told the new size.")


def test_a_lock_stops_the_keyboard_and_termination_says_who(
    open_as: Open, alice: User, admin: User, session: PrivilegedSession, through: Gateway
) -> None:
    ConnectionProfile.objects.update(extension_limit=1, extension_by=dt.timedelta(minutes=30))
    page = connected(open_as, alice, session)
    extended_above_the_terminal(page)
    enter(page, "echo before")
    expect(screen(page)).to_contain_text("before")
    enter(page, "seq 500 | less")
    expect(screen(page)).to_contain_text("17")
    session.refresh_from_db()
    lock(admin, session, title="Hold on", message="We are looking")
    expect(status(page)).to_have_text("Locked by admin: Hold on. We are looking")
    page.keyboard.type("echo while locked")
    session.refresh_from_db()
    unlock(admin, session)
    expect(status(page)).to_have_text("Unlocked. Connected")
    expect(screen(page)).to_contain_text("17")  # a program that paints the whole screen has painted it again
    expect(screen(page)).not_to_contain_text("Hold on")
    page.keyboard.press("q")
    enter(page, "echo after")
    expect(screen(page)).to_contain_text("after")
    expect(screen(page)).not_to_contain_text("while locked")
    session.refresh_from_db()
    terminate(admin, session)
    expect(status(page)).to_have_attribute("data-kind", "over")
    expect(page.get_by_text("is over (Canceling)").or_(page.get_by_text("is over (Canceled)"))).to_be_visible()
    for name in ("Reconnect", "Disconnect"):
        expect(page.get_by_role("button", name=name)).to_be_hidden()
    page.keyboard.press("Shift+Tab")  # with nobody there to take it, it moves on
    expect(page.locator("#terminal-tools > :focus")).to_have_count(1)
    last = screen(page).inner_text().rstrip().splitlines()[-1]
    assert "terminated" in last, "the last words stand below everything, after a lock too"


def extended_above_the_terminal(page: Page) -> None:
    """Read the line above the terminal, extend the session there, disconnect and connect again."""
    expect(page.locator("#recorded")).to_have_text("Recorded")
    left = page.locator("#time-left")
    expect(left).to_contain_text("left, until")
    before = page.locator("#results progress").get_attribute("max")
    page.get_by_role("link", name="Extend").click()
    page.get_by_role("dialog").get_by_role("button", name="Extend").click()
    expect(page.locator("#results")).to_contain_text("0 of 1 extension left")
    assert page.locator("#results progress").get_attribute("max") != before
    page.get_by_role("button", name="Disconnect").click()
    expect(status(page)).to_have_text("Disconnected.")
    expect(page.get_by_role("button", name="Disconnect")).to_be_hidden()
    page.get_by_role("button", name="Reconnect").click()
    expect(status(page)).to_have_text("Connected")


def test_a_break_of_the_network_loses_nothing_and_a_lock_meanwhile_neither(
    open_as: Open, alice: User, admin: User, session: PrivilegedSession, network: Way
) -> None:
    page = connected(open_as, alice, session)
    enter(page, "for i in 1 2 3 4 5 6; do echo line-$i; sleep 0.4; done; echo done-$((1+1))")
    expect(screen(page)).to_contain_text("line-2")
    network.is_down = True
    network.cut()
    expect(status(page)).to_have_attribute("data-kind", "waiting")
    page.keyboard.type("unsent")
    expect(status(page)).to_have_text("Not connected: what you type is not sent.")
    page.wait_for_timeout(800)
    network.is_down = False
    expect(status(page)).to_have_text("Connected again, where you were. What you typed before that did not arrive")
    expect(screen(page)).to_contain_text("done-2")
    text = screen(page).inner_text()
    assert [text.count(f"line-{number}") for number in range(1, 7)] == [1] * 6
    assert "unsent" not in text

    network.is_down = True
    network.cut()
    expect(status(page)).to_have_attribute("data-kind", "waiting")
    session.refresh_from_db()
    lock(admin, session, title="Hold on")
    network.is_down = False
    expect(status(page)).to_have_text("Locked by admin: Hold on")
    expect(screen(page)).to_contain_text("Hold on")
    session.refresh_from_db()
    unlock(admin, session)
    expect(status(page)).to_have_text("Unlocked. Connected")
    expect(screen(page)).to_contain_text("done-2")
    enter(page, "echo after-$((1+1))")
    expect(screen(page)).to_contain_text("after-2")
    assert GatewayConnection.objects.count() == 1
    enter(page, "exit")
    expect(status(page)).to_have_attribute("data-kind", "over")
    page.get_by_role("button", name="Reconnect").click()
    expect(status(page)).to_have_text("Connected")


def test_who_is_logged_out_loses_the_terminal(
    open_as: Open, alice: User, admin: User, session: PrivilegedSession, through: Gateway
) -> None:
    page = connected(open_as, alice, session)
    logout(admin, LoginSession.objects.get(user=alice, ended_at=None))
    expect(status(page)).to_have_attribute("data-kind", "over")
    wait_until(lambda: GatewayConnection.objects.open().count() == 0, "the connection is cut")
    page.get_by_role("button", name="Reconnect").click()
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_this_was_not_me_in_the_mail_closes_the_terminal(
    open_as: Open, alice: User, session: PrivilegedSession, through: Gateway, client: Client
) -> None:
    page = connected(open_as, alice, session)
    client.post("/accounts/login/", {"username": "alice", "password": PASSWORD}, REMOTE_ADDR="203.0.113.9")
    send_waiting()
    letter = open_as(None, str(mail.outbox[0].body).split()[-1].partition("8000")[2])
    letter.get_by_role("button", name="This wasn't me").click()
    expect(letter.locator("#outcome")).to_contain_text("Locked 1 privileged session")
    expect(status(page)).to_have_attribute("data-kind", "over")
    wait_until(lambda: GatewayConnection.objects.open().count() == 0, "the connection is cut")
    assert axe_finds(letter) == []


def test_a_profile_asks_for_a_second_factor_before_the_terminal_opens_and_not_when_it_comes_back(
    open_as: Open, alice: User, session: PrivilegedSession, network: Way
) -> None:
    ConnectionProfile.objects.update(confirm_at_connect=True)
    page = open_as(alice, session.get_absolute_url())
    LoginSession.objects.update(confirmed_at=None)
    page.get_by_role("link", name="Connect", exact=True).click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(status(page)).to_have_text("Connected")
    LoginSession.objects.update(confirmed_at=None)
    network.cut()
    expect(status(page)).to_have_text("Connected again, where you were")
    assert GatewayConnection.objects.count() == 1
    page.get_by_role("button", name="Disconnect").click()
    wait_until(lambda: not GatewayConnection.objects.open().exists(), "the connection is over")
    page.get_by_role("button", name="Reconnect").click()
    expect(status(page)).to_contain_text(
        "asks for a second factor at each connect. Give it and connect again. For that,"
    )
    page.reload()
    expect(page.get_by_label("Password")).to_be_visible()
    assert GatewayConnection.objects.count() == 1
