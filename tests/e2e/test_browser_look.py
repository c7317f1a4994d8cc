"""How pages look in a real Chromium, as far as a program can check it: lists begin high, times are read in full."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from activity import log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.privileged.models import Status
from sessions_app.worker.health import heartbeat
from tests.support.builders import make_login, make_resource, make_session, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]
CUT_TIMES = r"""() => [...document.querySelectorAll(".grid td")]
    .filter((cell) => /^\d{4}-\d\d-\d\d \d\d:\d\d/.test(cell.textContent) && cell.scrollWidth > cell.clientWidth)
    .map((cell) => cell.textContent)"""


@pytest.fixture
def rows(alice: User, admin: User) -> None:
    """Create rows for each list: running, scheduled and ended sessions, logins, log entries, and a live worker."""
    heartbeat.beat("worker-of-the-test")
    now = timezone.now()
    running = make_session(alice, Status.LOGGED_IN, start_at=now, end_at=now + dt.timedelta(hours=8))
    make_session(make_user("bob"), Status.PENDING, scheduled_for=now + dt.timedelta(days=1))
    make_session(make_user("carol"), Status.COMPLETE, start_at=now - dt.timedelta(hours=1), end_at=now)
    make_login(alice)
    log.record(Verb.SESSION_LOCKED, "Locked", actor=admin, target=running, level=Level.WARNING)


@pytest.mark.parametrize(
    ("address", "share"), [("/sessions/", 0.3), ("/logins/", 0.35), ("/users/", 0.26), ("/activity/", 0.48)]
)
def test_the_first_row_of_a_list_stands_high(
    open_as: OpenAs, admin: User, rows: None, address: str, share: float
) -> None:
    page = open_as(admin, address, viewport={"width": 1440, "height": 900})
    expect(page.locator(".htmx-request")).to_have_count(0)
    box = page.locator(".grid tbody tr").first.bounding_box()
    assert box is not None
    assert box["y"] < 900 * share


@pytest.mark.parametrize(
    "address", ["/sessions/", "/sessions/?tab=scheduled", "/sessions/?tab=historical", "/logins/", "/activity/"]
)
def test_times_are_never_cut(open_as: OpenAs, admin: User, rows: None, address: str) -> None:
    page = open_as(admin, address, viewport={"width": 1440, "height": 900})
    expect(page.locator(".grid tbody tr").first).to_be_visible()
    assert page.evaluate(CUT_TIMES) == []


@pytest.mark.parametrize("address", ["/sessions/", "/sessions/?tab=historical", "/logins/", "/activity/", "/users/"])
def test_a_list_fits_a_wide_screen(open_as: OpenAs, admin: User, rows: None, address: str) -> None:
    page = open_as(admin, address, viewport={"width": 1440, "height": 900})
    region = page.locator("#results-region")
    assert region.evaluate("region => region.scrollWidth - region.clientWidth") == 0


@pytest.mark.parametrize("address", ["/sessions/", "/logins/", "/activity/"])
def test_a_row_is_in_sight_on_a_telephone(open_as: OpenAs, admin: User, rows: None, address: str) -> None:
    page = open_as(admin, address, viewport={"width": 400, "height": 800})
    expect(page.locator(".htmx-request")).to_have_count(0)
    box = page.locator(".grid tbody tr").first.bounding_box()
    assert box is not None
    assert box["y"] < 500


def test_long_words_never_make_a_page_wide(open_as: OpenAs, admin: User) -> None:
    word = "x" * 120
    session = make_session(make_user(word), Status.AVAILABLE, resource=make_resource(word))
    page = open_as(admin, session.get_absolute_url(), viewport={"width": 400, "height": 800})
    for address in (f"/sessions/{session.pk}/", f"/resources/{session.resource_id}/", f"/users/{session.user_id}/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 400, address


@pytest.mark.parametrize("width", [1440, 400])
def test_the_toolbar_stands_on_one_line(open_as: OpenAs, admin: User, rows: None, width: int) -> None:
    page = open_as(admin, "/sessions/?tab=historical", viewport={"width": width, "height": 900})
    page.locator("[name=ids]").first.check()  # its verbs appear with a selection
    tops = page.locator("#selection .button").evaluate_all(
        "buttons => [...new Set(buttons.map(button => button.getBoundingClientRect().top))]"
    )
    assert len(tops) == 1


@pytest.mark.parametrize("address", ["/sessions/", "/logins/", "/activity/", "/accounts/me/"])
def test_a_page_with_times_names_their_zone_once(open_as: OpenAs, admin: User, rows: None, address: str) -> None:
    page = open_as(admin, "/sessions/", timezone_id="Europe/Zurich")
    page.goto(address)
    expect(page.get_by_text("Times in Europe/Zurich")).to_have_count(1)


def test_a_session_names_the_zone_of_its_times(open_as: OpenAs, admin: User, alice: User) -> None:
    page = open_as(admin, "/sessions/", timezone_id="Europe/Zurich")
    page.goto(make_session(alice, Status.AVAILABLE).get_absolute_url())
    expect(page.get_by_text("Times in Europe/Zurich")).to_have_count(1)


def test_a_printed_log_holds_every_line(open_as: OpenAs, admin: User, alice: User) -> None:
    session = make_session(alice, Status.AVAILABLE)
    for number in range(60):
        log.record(Verb.SESSION_LOCKED, f"Line {number}", actor=admin, target=session)
    page = open_as(admin, f"/sessions/{session.pk}/log/")
    page.emulate_media(media="print")
    region = page.locator("#results-region")
    assert region.evaluate("region => region.scrollHeight - region.clientHeight") == 0
    assert not page.locator(".toolbar-row").is_visible()


def test_the_current_tab_shows_in_forced_colours(open_as: OpenAs, admin: User) -> None:
    page = open_as(admin, "/sessions/", forced_colors="active")
    line = "link => getComputedStyle(link).borderBlockEndWidth"
    assert page.locator(".tabs [aria-current]").first.evaluate(line) == "3px"
    assert page.locator(".tabs a:not([aria-current])").first.evaluate(line) == "0px"


def test_the_map_unfolds_under_the_heading_and_moves_nothing_beside_it(open_as: OpenAs, admin: User) -> None:
    page = open_as(admin, "/logins/")
    button = page.get_by_role("main").get_by_role("link", name="Activity log")
    before = button.bounding_box()
    page.get_by_text("Map of live logins").click()
    expect(page.locator("#map svg")).to_be_visible()
    assert button.bounding_box() == before


@pytest.mark.parametrize("width", [1440, 400])
def test_the_summary_takes_the_room_that_was_kept_for_it(open_as: OpenAs, admin: User, rows: None, width: int) -> None:
    now = timezone.now()
    for number in range(5):
        make_session(make_user(f"user-{number}"), Status.COMPLETE, start_at=now, end_at=now + dt.timedelta(hours=1))
    page = open_as(admin, "/activity/", viewport={"width": width, "height": 900})
    top = page.locator("#summary").get_by_role("region", name="Top users by total duration")
    expect(top.locator("tbody tr")).to_have_count(5)
    stored = "part => part.getBoundingClientRect().height - parseFloat(getComputedStyle(part).minHeight)"
    assert page.locator("#summary").evaluate(stored) == 0
