"""The columns of lists in a real Chromium: their widths, their places and their headings, with the pointer and with the
keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Request, expect

from activity.models import ListPreference
from sessions_app.logins.models import LoginSession
from tests.support import listing_urls
from tests.support.builders import make_login, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = "/test/logins/"
OpenAs = Callable[..., Page]


@pytest.fixture(autouse=True)
def list_under_test(settings: Any) -> None:
    """Add one more page to the console: tests/support/listing_urls.py."""
    settings.ROOT_URLCONF = "tests.support.listing_urls"
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [*settings.TEMPLATES[0]["DIRS"], listing_urls.TEMPLATES]}]


@pytest.fixture
def rows(list_under_test: None, transactional_db: None) -> list[LoginSession]:
    """Create some logins of different people; one is from a city with a long name."""
    cities = ["Llanfairpwllgwyngyll", *(f"City {number}" for number in range(5))]
    return [make_login(make_user(f"user{number}"), city=city) for number, city in enumerate(cities)]


def width_of(page: Page, column: str) -> int:
    """Return how wide the column is, without parts of a pixel."""
    box = page.locator(f"[data-column={column}]").bounding_box()
    assert box is not None
    return int(box["width"])


def test_a_dragged_column_is_remembered_and_saved_once(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    saves: list[Request] = []
    page.on("request", lambda request: saves.append(request) if "/columns/" in request.url else None)
    box = page.locator("#resize-user").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=4)
    page.mouse.move(x + 80, y, steps=4)
    with page.expect_response(re.compile("/columns/")) as saved:
        page.mouse.up()
    assert saved.value.status == 204
    assert len(saves) == 1
    assert width_of(page, "user") == 300
    assert ListPreference.objects.get(user=admin, table="test-logins").widths == {"user": 300}
    page.reload()
    assert width_of(page, "user") == 300


def test_a_column_is_made_wider_and_narrower_with_the_keyboard(
    open_as: OpenAs, admin: User, rows: list[LoginSession]
) -> None:
    page = open_as(admin, LIST)
    handle = page.locator("#resize-device")
    handle.focus()
    with page.expect_response(re.compile("/columns/")):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")
    assert handle.get_attribute("aria-valuenow") == "210"
    assert ListPreference.objects.get(user=admin).widths == {"device": 210}


def test_one_column_takes_the_room_that_is_left(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST, viewport={"width": 1920, "height": 900})
    room = page.locator("#results-region").evaluate("region => region.clientWidth")
    assert page.locator("table.grid").evaluate("table => table.offsetWidth") == room
    assert page.locator("[data-column=created]").evaluate("last => last.getBoundingClientRect().right") == (
        page.locator("table.grid").evaluate("table => table.getBoundingClientRect().right")
    )
    before = width_of(page, "city")
    assert before > 400
    assert width_of(page, "radius") > 200  # it grows too
    page.locator("#resize-user").focus()
    page.keyboard.press("Shift+ArrowRight")
    assert (width_of(page, "user"), width_of(page, "city")) == (270, before - 50)
    page.locator("#resize-city").focus()
    with page.expect_response(re.compile("/columns/")):
        page.keyboard.press("Shift+ArrowLeft")
    assert (width_of(page, "user"), width_of(page, "city")) == (270, before - 100)
    assert page.locator("table.grid").evaluate("table => table.offsetWidth") == room


def test_a_sorted_heading_is_read_in_words_and_not_as_a_drawing(
    open_as: OpenAs, admin: User, rows: list[LoginSession]
) -> None:
    page = open_as(admin, f"{LIST}?sort=-user")
    heading = page.locator("[data-column=user]")
    assert heading.aria_snapshot().startswith('- columnheader "User, sorted descending"')
    page.locator("#sort-user").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert heading.aria_snapshot().startswith('- columnheader "User, sorted ascending"')
    assert page.locator("[data-column=city]").aria_snapshot().startswith('- columnheader "City":')
    for part in (".list-tools", "#results"):
        assert not re.search("[▲▼▾]", page.locator(part).aria_snapshot())


def columns(page: Page) -> list[str]:
    found: list[str] = page.locator("th[data-column]").evaluate_all("all => all.map(one => one.dataset.column)")
    return found


def test_columns_are_fitted_to_what_is_in_them(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    city = page.locator(f"#row-{rows[0].pk} td:nth-child(3) a")
    handle = page.locator("#resize-city")
    is_cut = "link => link.scrollWidth > link.clientWidth"
    fits: list[Callable[[], None]] = [lambda: handle.dblclick(), lambda: handle.press("Enter")]
    for fit in fits:
        page.evaluate("document.querySelectorAll('col')[2].width = 60")
        assert city.evaluate(is_cut)
        with page.expect_response(re.compile("/columns/")):
            fit()
        assert not city.evaluate(is_cut)
        assert width_of(page, "city") < 200
    page.locator("#columns-menu summary").click()
    page.get_by_role("button", name="Reset").click()
    page.locator("#columns-menu summary").click()
    with page.expect_response(re.compile("/columns/")):
        page.get_by_role("button", name="Fit all").click()
    assert width_of(page, "user") < 150
    assert "city" not in ListPreference.objects.get(user=admin).widths  # it takes what is left, now more
    assert width_of(page, "city") > 400


def test_columns_are_moved_with_pointer_keyboard_and_menu(
    open_as: OpenAs, admin: User, rows: list[LoginSession]
) -> None:
    page = open_as(admin, LIST)
    before = ["user", "city", "device", "radius", "ended", "created"]
    page.locator("#sort-created").drag_to(page.locator("#sort-city"), target_position={"x": 20, "y": 10})
    expect(page.locator("th[data-column]").nth(1)).to_have_attribute("data-column", "created")
    assert columns(page) == ["user", "created", "city", "device", "radius", "ended"]
    assert page.url.endswith(LIST)  # it was dragged, not clicked
    page.locator("#sort-created").focus()
    page.keyboard.press("Control+Shift+ArrowLeft")
    expect(page.locator("th[data-column]").first).to_have_attribute("data-column", "created")
    expect(page.locator("#sort-created")).to_be_focused()
    page.locator("#columns-menu summary").click()
    page.get_by_role("button", name="Move User right").click()
    expect(page.locator("th[data-column]").nth(1)).to_have_attribute("data-column", "city")
    expect(page.get_by_role("button", name="Move User right")).to_be_focused()
    assert columns(page) == ["created", "city", "user", "device", "radius", "ended"]
    page.reload()
    assert columns(page) == ["created", "city", "user", "device", "radius", "ended"]
    page.locator("#columns-menu summary").click()
    page.get_by_role("button", name="Compact").click()
    assert page.locator("tbody tr").first.evaluate("row => row.offsetHeight") < 31
    page.get_by_role("button", name="Reset").click()
    assert columns(page) == before
    assert page.locator("tbody tr").first.evaluate("row => row.offsetHeight") < 31
