"""The replay and the live view in a real Chromium: it plays, seeks and jumps, follows a running terminal, and what was
recorded cannot become part of the page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from scripts import vendor
from sessions_app.privileged.models import PrivilegedSession, Status
from tests.support.builders import make_session
from tests.support.recordings import add, end, make_cast, make_recording, make_running
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]
TIME = "async () => await document.getElementById('player').player?.getCurrentTime()"


@pytest.fixture(autouse=True)
def _player() -> None:
    if not vendor.is_current():
        pytest.skip("the player is not installed (.venv/bin/python -m scripts.vendor)")


@pytest.fixture
def session(alice: User) -> PrivilegedSession:
    return make_session(alice, Status.LOGGED_IN)


def seconds(page: Page) -> float:
    return float(page.evaluate(TIME) or 0)


def choose_speed(page: Page, name: str) -> None:
    """Click the button of a speed, and wait for the new player that this creates."""
    page.evaluate("() => { window.before = document.getElementById('player').player; }")
    page.get_by_role("button", name=name, exact=True).click()
    wait_until(lambda: page.evaluate("() => window.before !== document.getElementById('player').player"), name)


@pytest.mark.browser_smoke
def test_a_recording_plays_and_its_search_jumps_to_the_hit(
    open_as: OpenAs, alice: User, session: PrivilegedSession
) -> None:
    recording = make_recording(
        session, (1.0, "alice@web-1:~$ whoami\r\n"), (2.0, "alice\r\n"), (300.0, "needle here\r\n"), (310.0, "end\r\n")
    )
    page = open_as(alice, f"/recordings/{recording.pk}/")
    expect(page.locator("#player .ap-term")).to_be_visible()
    by_the_keyboard_alone(page)
    page.fill("#find", "needle")
    page.press("#find", "Enter")
    expect(page.locator("#player .ap-term")).to_be_visible()
    expect(page.get_by_role("link", name="needle here")).to_be_focused()
    page.keyboard.press("Enter")
    # Pauses are shortened to two seconds: 1, 2, 4, 6.
    wait_until(lambda: 3 < seconds(page) < 5, "the replay stands at the third line")
    page.get_by_label("Shorten pauses").uncheck()
    page.get_by_role("link", name="needle here").click()
    wait_until(lambda: seconds(page) > 299, "the replay stands beyond second 299")
    expect(page.locator(".replay-clock")).to_contain_text("5:00 of 5:10")
    there = recording.started_at + dt.timedelta(seconds=300)
    expect(page.locator("#replay-clock")).to_have_text(f"{there:%Y-%m-%d %H:%M:%S}")
    choose_speed(page, "4 ×")
    wait_until(lambda: seconds(page) > 299, "the replay stands beyond second 299")
    expect(page.get_by_role("button", name="4 ×", exact=True)).to_have_attribute("aria-pressed", "true")
    page.locator("#play").click()
    wait_until(lambda: seconds(page) > 301, "the replay stands beyond second 301")


def by_the_keyboard_alone(page: Page) -> None:
    """Play, pause, move, and go to a command, all with keys. Check the marked command and the visible focus."""
    screen, button = page.locator("#player .ap-term-text"), page.locator("#play")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_text("Pause")
    page.keyboard.press("Enter")
    expect(button).to_have_text("Play")
    page.keyboard.press("Shift+Tab")
    while not screen.evaluate("screen => screen === document.activeElement"):
        page.keyboard.press("Shift+Tab")
    assert page.locator(".player-scroll").evaluate("part => getComputedStyle(part).outlineStyle") == "solid"
    page.keyboard.press("Space")
    expect(button).to_have_text("Pause")
    page.keyboard.press("Space")
    expect(button).to_have_text("Play")
    before = seconds(page)
    page.keyboard.press("ArrowRight")
    wait_until(lambda: seconds(page) > before, "an arrow moves on")
    command = page.locator("#marks a", has_text="whoami")
    command.focus()
    assert command.evaluate("link => getComputedStyle(link).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(command).to_have_attribute("aria-current", "true")
    bar = page.locator("#player .ap-control-bar")
    assert bar.evaluate("bar => getComputedStyle(bar).opacity") == "1", "the player's own buttons can be seen"


def test_the_link_of_a_hit_opens_the_replay_at_its_moment(
    open_as: OpenAs, alice: User, session: PrivilegedSession
) -> None:
    recording = make_recording(session, (1.0, "first\r\n"), (20.0, "needle\r\n"), (25.0, "end\r\n"))
    page = open_as(alice, "/recordings/?q=needle")
    page.get_by_role("link", name="needle", exact=True).click()
    page.wait_for_url(f"**/recordings/{recording.pk}/?t=19.0*")
    wait_until(lambda: seconds(page) > 2, "the replay stands beyond second 2, where pauses are shortened")
    expect(page.locator("#player .ap-term-text")).to_contain_text("first")
    page.locator("#play").click()
    expect(page.locator("#player .ap-term-text")).to_contain_text("needle")
    expect(page.locator("#player .ap-term-text")).to_contain_text("first")  # what was there before stays


HOSTILE = (
    "<script>window.broken=1</script><img src=x onerror='window.broken=2'>\r\n",
    "\x1b]0;<script>window.broken=3</script>\x07",
    "\x1b]8;;javascript:window.broken=4\x1b\\click\x1b]8;;\x1b\\\r\n",
    '"},{"a":"</script><script>window.broken=5</script>\r\n',
    "\x1b[2J\x1b[1;1H\x1b[38;2;1;2;3m</span><svg onload=window.broken=6>\x1b[999999999;999999999H\x1b[8;9999;9999t",
    "\x1bP+q<script>\x1b\\\x9b31m\x00\x07\ufffd\u202e\u2028\U0001f600\r\n",
)


def test_what_was_recorded_runs_no_script_and_leaves_no_element(
    open_as: OpenAs, alice: User, session: PrivilegedSession
) -> None:
    recording = make_recording(session, *((float(at), text) for at, text in enumerate(HOSTILE)), title=HOSTILE[0])
    page = open_as(alice, f"/recordings/{recording.pk}/?find=script")
    expect(page.locator("#player .ap-term")).to_be_visible()
    page.evaluate("document.getElementById('player').player.seek('100%')")
    choose_speed(page, "16 ×")
    page.evaluate("document.getElementById('player').player.play()")
    wait_until(lambda: seconds(page) > 3, "the replay stands beyond second 3")
    assert page.evaluate("window.broken") is None
    assert page.locator("main img, #player a, #player script, [onload], [onerror]").count() == 0


def test_a_running_terminal_is_followed_and_locked_from_beside_it(
    open_as: OpenAs, admin: User, session: PrivilegedSession
) -> None:
    recording, cast = make_running(session), make_cast()
    cast.output(b"before\r\n")
    add(recording, cast)
    page = open_as(admin, f"/recordings/{recording.pk}/live/")
    state = page.locator("#live-state")
    expect(state).to_have_text("Live, about a second behind.")
    cast.mark("Somebody marked this")
    cast.output(b"after <b>bold</b>\r\n")
    add(recording, cast)
    expect(state).to_have_text("Somebody marked this")
    expect(page.locator("#player .ap-term-text")).to_contain_text("after <b>bold</b>")
    expect(page.locator("#player .ap-term-text")).to_contain_text("before")
    page.get_by_role("link", name="Lock", exact=True).click()
    expect(page.locator("#dialog")).to_be_visible()
    page.fill("#dialog [name=title]", "Stop")
    page.locator("#dialog button[type=submit]").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    session.refresh_from_db()
    assert session.status == Status.LOCKED
    end(recording)
    expect(state).to_contain_text("The connection is over")


def test_what_runs_live_runs_no_script(open_as: OpenAs, admin: User, session: PrivilegedSession) -> None:
    recording, cast = make_running(session), make_cast()
    for text in HOSTILE:
        cast.output(text.encode())
        cast.mark(text)
    add(recording, cast)
    page = open_as(admin, f"/recordings/{recording.pk}/live/")
    expect(page.locator("#live-state")).to_have_text("Live, about a second behind.")
    assert page.evaluate("window.broken") is None
    assert page.locator("main img, #player a, #player script, [onload], [onerror]").count() == 0
