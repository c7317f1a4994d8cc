"""Somebody changes an initial password in a browser, and takes longer than a page with the navigation stays quiet."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from sessions_app.people.models import InitialPassword
from tests.support.browser import axe_finds
from tests.support.builders import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_what_is_typed_into_the_first_page_stays_until_it_is_sent(open_as: Callable[..., Page], alice: User) -> None:
    InitialPassword.objects.create(user=alice, set_at=timezone.now())
    page = open_as(None, "/accounts/login/")
    page.clock.install()
    page.get_by_label("User name").fill("alice")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url("**/accounts/password/")
    expect(page.get_by_role("button", name="Logout")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("Old password").fill(PASSWORD)
    page.clock.run_for(20_000)  # more than two times of what asks every 8 seconds
    assert axe_finds(page) == []
    assert asked == []
    expect(page.get_by_label("Old password")).to_have_value(PASSWORD)
    for label in ("New password", "New password confirmation"):
        page.get_by_label(label, exact=True).fill("a phrase of my own 23")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator("#messages .message.success")).to_contain_text("Your password was changed.")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
