"""The rows of lists in a real Chromium: the keyboard moves between them, and on a narrow screen they are cards."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.privileged.models import Status
from tests.support.builders import make_resource, make_session, make_user
from tests.support.entries import make_entry

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]
REFRESH = """() => new Promise(done => {
  document.addEventListener('htmx:afterSettle', done, { once: true });
  htmx.trigger('#results', 'refresh');
})"""


def test_the_keyboard_moves_between_rows_selects_and_opens(open_as: OpenAs, admin: User) -> None:
    sessions = [
        make_session(make_user(f"user{number}"), resource=make_resource(f"host-{number}")) for number in "01234"
    ]
    page = open_as(admin, "/sessions/?sort=host")
    rows = [page.locator(f"#row-{session.pk}") for session in sessions]
    region = page.locator("#results-region")
    region.focus()
    page.keyboard.press("ArrowDown")
    expect(rows[0]).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(rows[2]).to_be_focused()
    page.keyboard.press("Space")
    expect(rows[2].get_by_role("checkbox")).to_be_checked()
    make_session(make_user("newcomer"), resource=make_resource("host-9"))
    page.evaluate(REFRESH)
    expect(page.locator("#results tbody tr")).to_have_count(6)
    expect(rows[2]).to_be_focused()
    expect(rows[2].get_by_role("checkbox")).to_be_checked()
    page.keyboard.press("Tab")  # on to what is in the row
    page.keyboard.press("ArrowUp")
    expect(rows[1]).to_be_focused()
    page.keyboard.press("Home")
    expect(rows[0]).to_be_focused()
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    expect(page.locator("#results tbody tr").last).to_be_focused()
    page.keyboard.press("PageUp")
    expect(rows[0]).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/sessions/{sessions[0].pk}/$"))


def test_rows_are_cards_on_a_narrow_screen(open_as: OpenAs, admin: User) -> None:
    session = make_session(make_user("somebody"), Status.LOGGED_IN, resource=make_resource("host-with-a-name-" * 5))
    make_entry(
        "What was done is told at some length, so that it needs more than one line of a narrow screen", actor=admin
    )
    page = open_as(admin, "/sessions/", viewport={"width": 400, "height": 800})
    row = page.locator(f"#row-{session.pk}")
    for place in ("lead", "side", "text", "note"):
        expect(row.locator(f".{place}")).to_be_visible()
    expect(row.get_by_text("somebody", exact=True)).to_be_visible()
    assert row.locator("td:visible").count() == 6  # those four, the checkbox, and the link that covers the card
    assert row.evaluate("row => row.offsetHeight") < 80
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    row.get_by_role("checkbox").check()
    expect(page.get_by_role("button", name="End Session")).to_be_visible()
    page.locator("#sort-host").click()
    expect(page.locator("[data-column=host]")).to_have_attribute("aria-sort", "ascending")
    assert (
        page.locator("[data-column=host]").evaluate("first => first.offsetLeft") < 150
    )  # what is in force comes first
    row.locator(".side").click(force=True)  # anywhere but the checkbox
    expect(page).to_have_url(re.compile(rf"/sessions/{session.pk}/$"))
    page.goto("/activity/")
    entry = page.locator("#results tbody tr", has_text="at some length")
    assert entry.locator(".text").evaluate(
        "text => text.scrollHeight <= text.clientHeight + 1 && text.clientHeight > 30"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
