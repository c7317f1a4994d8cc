"""What stands around every page, in a real Chromium: keys, the dialog that jumps, skip links, the folded menu."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.privileged.models import Status
from tests.support import builders
from tests.support.browser import axe_finds

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]


@pytest.mark.browser_smoke
def test_control_k_jumps_to_what_is_typed(open_as: OpenAs, admin: User) -> None:
    host = builders.make_resource("web-17")
    builders.make_resource("web-18")
    page = open_as(admin, "/users/")
    page.keyboard.press("Control+k")
    field = page.locator("#jump-words")
    expect(field).to_be_focused()
    page.keyboard.type("web-1")
    expect(page.locator(".jump-list a")).to_have_count(2)
    assert axe_finds(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".jump-list a").nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")  # round to the field
    expect(field).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{host.get_absolute_url()}")


def test_enter_before_the_answer_shows_what_there_is_as_a_page(open_as: OpenAs, admin: User) -> None:
    builders.make_resource("web-17")
    page = open_as(admin, "/users/")
    page.keyboard.press("Control+k")
    expect(page.locator("#jump-words")).to_be_focused()
    page.route(
        "**/jump/?q=*", lambda route: route.abort() if route.request.headers.get("hx-request") else route.continue_()
    )
    page.keyboard.type("web")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jump/?q=web")
    expect(page.get_by_role("main").get_by_role("link", name="web-17")).to_be_visible()


def test_a_question_mark_shows_the_keys_but_not_while_one_writes(open_as: OpenAs, admin: User) -> None:
    page = open_as(admin, "/users/")
    page.locator("#search").focus()
    page.keyboard.type("?")
    expect(page.locator("#search")).to_have_value("?")
    page.locator("#main").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    assert axe_finds(page) == []
    page.keyboard.press("Control+k")  # an open dialog stays
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).not_to_be_visible()


def test_two_tabs_and_enter_lead_to_the_list(open_as: OpenAs, admin: User) -> None:
    page = open_as(admin, "/users/")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the list")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#results-region")).to_be_focused()


@pytest.mark.parametrize("script", [True, False])
def test_the_links_fold_into_a_menu_that_needs_no_script(open_as: OpenAs, admin: User, *, script: bool) -> None:
    page = open_as(admin, "/users/", viewport={"width": 768, "height": 900}, java_script_enabled=script)
    link = page.locator("#main-links").get_by_role("link", name="Groups")
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(link).to_be_visible()
    link.click()
    expect(page.get_by_role("heading", name="Groups", level=1)).to_be_visible()
    page.get_by_role("link", name="Jump to").click()
    expect(page.locator("#jump-words")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_component_is_accessible(open_as: OpenAs, admin: User, theme: Any) -> None:
    for status in Status:
        builders.make_session(admin, status)
    page = open_as(admin, "/styleguide/", color_scheme=theme)
    expect(page.locator(".grid tbody tr")).to_have_count(len(Status))
    assert axe_finds(page) == []
    page.get_by_role("link", name="Open a dialog").click()
    expect(page.locator("#dialog")).to_be_visible()
    assert axe_finds(page) == []
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_paper_has_no_links_and_forced_colours_mark_the_page(open_as: OpenAs, admin: User) -> None:
    page = open_as(admin, "/users/", forced_colors="active")
    here = page.locator("#main-links [aria-current]")
    assert here.evaluate("link => getComputedStyle(link).borderInlineStartWidth") == "3px"
    page.emulate_media(media="print")
    expect(page.locator(".sidebar")).to_be_hidden()
    assert page.locator("body").evaluate("body => getComputedStyle(body).paddingInlineStart") == "0px"
