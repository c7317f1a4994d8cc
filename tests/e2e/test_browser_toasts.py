"""What was done is told by a toast: it moves nothing, it can be taken back, and problems stay until they are closed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.privileged.models import Status
from tests.support.builders import make_session
from tests.support.waiting import milliseconds

pytestmark = pytest.mark.browser

OpenAs = Callable[..., Page]


def test_a_lock_is_told_without_moving_anything_and_taken_back(open_as: OpenAs, admin: User, alice: User) -> None:
    session = make_session(alice)
    page = open_as(admin, "/sessions/?user=alice")
    row = page.locator(f"#row-{session.pk}")
    before = row.bounding_box()
    row.locator("[name=ids]").check()
    page.get_by_role("button", name="Lock", exact=True).click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("Title").fill("Stop")
    dialog.get_by_role("button", name="Lock").click()
    toast = page.locator("#messages .message.success")
    expect(toast).to_contain_text("locked.")
    expect(row).to_contain_text("Locked")
    assert before is not None
    assert row.bounding_box() == before
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator("#messages .message.success")).to_contain_text("unlocked.")
    expect(page.locator("#messages .message")).to_have_count(1)
    session.refresh_from_db()
    assert session.status == Status.AVAILABLE


def test_good_news_goes_by_itself_and_problems_stay_until_they_are_closed(open_as: OpenAs, alice: User) -> None:
    page = open_as(alice, "/accounts/me/")
    page.clock.install()
    lines = "[['success', 'Done.'], ['error', 'Locked.'], ['warning', 'Slow.']]"
    page.evaluate(f"document.dispatchEvent(new CustomEvent('done', {{detail: {{messages: {lines}}}}}))")
    toasts = page.locator("#messages .message")
    expect(toasts).to_have_text(["Done.", "Locked.", "Slow."])
    page.locator("#messages .success").hover()
    page.clock.run_for(10_000)
    expect(toasts).to_have_count(3)  # somebody points at it
    page.mouse.move(0, 0)
    page.clock.run_for(10_000)
    expect(toasts).to_have_text(["Locked.", "Slow."])
    page.keyboard.press("Escape")
    expect(toasts).to_have_text(["Locked."])
    page.get_by_role("button", name="Close this message").press("Enter")
    expect(toasts).to_have_count(0, timeout=milliseconds(2000))
    expect(page.locator("#main")).to_be_focused()
