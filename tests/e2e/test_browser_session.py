"""The page of a session in a real Chromium: lines are copied, and a refresh keeps the focus and an open menu."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.flows.unlock import unlock
from sessions_app.privileged.models import PrivilegedSession
from tests.support.builders import make_resource, make_session

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Open = Callable[..., Page]
REFRESH = "htmx.trigger('#results', 'refresh')"


@pytest.fixture
def session(alice: User) -> PrivilegedSession:
    return make_session(alice, resource=make_resource(connector="ssh"))


def test_a_line_is_copied_and_that_is_said(open_as: Open, alice: User, session: PrivilegedSession) -> None:
    page = open_as(alice, session.get_absolute_url(), permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Terminal", exact=True).click()
    button = page.get_by_role("button", name="Copy the line for scp")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#copied")).to_have_text("Copied")
    expect(button).to_be_focused()
    assert page.evaluate("navigator.clipboard.readText()").startswith("scp -P 4422 file.txt alice=web-1@")
    expect(page.locator("#copied")).to_be_empty()


def test_a_refresh_keeps_the_open_menu_and_takes_away_what_was_said_about_another_status(
    open_as: Open, admin: User, session: PrivilegedSession
) -> None:
    page = open_as(admin, session.get_absolute_url())
    page.locator("#do-lock").click()
    page.locator("#dialog [name=title]").fill("Stop")
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("locked")
    expect(page.locator("#results [data-status]")).to_have_attribute("data-status", "locked")
    expect(page.locator("#messages")).to_contain_text("locked")  # the refresh after the deed leaves its message there
    summary = page.locator("#more-summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("What cannot be done now")).to_contain_text("Lock")
    session.refresh_from_db()
    unlock(admin, session)
    page.evaluate(REFRESH)
    expect(page.locator("#results [data-status]")).to_have_attribute("data-status", "available")
    expect(page.get_by_label("What cannot be done now")).to_contain_text("Unlock")
    expect(summary).to_be_focused()
    expect(page.locator("#messages")).not_to_contain_text("locked")


def test_the_time_left_counts_down_and_nothing_is_asked_for_that(
    open_as: Open, admin: User, session: PrivilegedSession
) -> None:
    page = open_as(admin, session.get_absolute_url())
    before = page.locator("progress").evaluate("bar => bar.value")
    page.evaluate("() => { document.querySelector('[data-time-left]').end -= 60000 }")
    expect(page.locator("#time-left")).to_contain_text("left, until")
    page.wait_for_function("before => document.querySelector('progress').value < before - 50", arg=before)
    lock(admin, session, title="Stop")
    page.evaluate(REFRESH)
    expect(page.locator("#results [data-status]")).to_have_attribute("data-status", "locked")
    assert page.locator("progress").evaluate("bar => bar.value") > before - 50
