"""What only a browser shows of filters and saved views: the combobox, several verbs, and a view of what is shown."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from activity.models import SavedView
from activity.verbs import Verb
from sessions_app.privileged.models import Status
from tests.support import builders
from tests.support.browser import axe_finds
from tests.support.entries import make_entry

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Open = Callable[..., Page]


def test_the_user_field_is_a_combobox_for_the_keyboard(open_as: Open, auditor: User) -> None:
    for name in ("anna", "anton", "berta"):
        make_entry(f"by {name}", actor=builders.make_user(name))
    page = open_as(auditor, "/activity/")
    field = page.get_by_role("combobox", name="User", exact=True)
    expect(field).to_have_attribute("aria-expanded", "false")
    field.press_sequentially("an")
    options = page.locator("#id_user-options > [role=option]")
    expect(options).to_have_text(["anna", "anton"])
    expect(field).to_have_attribute("aria-expanded", "true")
    chosen = page.locator("#id_user-options > [aria-selected=true]")
    for key, name in [("ArrowDown", "anna"), ("ArrowDown", "anton"), ("ArrowDown", "anna"), ("ArrowUp", "anton")]:
        field.press(key)
        expect(chosen).to_have_text(name)
    for key, name in [("Home", "anna"), ("End", "anton")]:
        field.press(key)
        expect(chosen).to_have_text(name)
    assert field.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    assert axe_finds(page) == []
    field.press("Escape")
    expect(field).to_have_attribute("aria-expanded", "false")
    assert field.input_value() == "an"
    field.press("ArrowDown")
    field.press("Enter")
    expect(page).to_have_url(re.compile("user=anna"))
    expect(page.locator("#results")).not_to_contain_text("by anton")
    expect(page.locator("#results")).to_contain_text("by anna")
    assert field.input_value() == "anna"


def test_a_click_chooses_too_and_escape_leaves_the_menu_around_it_open(open_as: Open, admin: User) -> None:
    builders.make_session(admin, resource=builders.make_resource("web-1"))
    builders.make_session(admin, resource=builders.make_resource("db-1"))
    page = open_as(admin, "/sessions/")
    page.click("#filter-menu > summary")
    field = page.get_by_role("combobox", name="Host", exact=True)
    field.press_sequentially("we")
    option = page.locator("#id_host-options > [role=option]", has_text="web-1")
    expect(page.locator("#id_host-options > [role=option]")).to_have_count(1)
    expect(option).to_be_visible()
    field.press("Escape")
    expect(option).to_be_hidden()
    expect(page.locator("#filter-menu .menu-actions")).to_be_visible()
    field.click()
    option.click()
    assert field.input_value() == "web-1"
    expect(page.locator("#results tbody tr")).to_have_count(1)


def test_several_verbs_are_sent_and_a_chip_takes_them_away(open_as: Open, auditor: User) -> None:
    make_entry("one failed", verb=Verb.LOGIN_FAILED)
    make_entry("a secret", verb=Verb.SECRET_VIEWED)
    page = open_as(auditor, "/activity/")
    page.click("#filter-menu > summary")
    page.select_option("#id_verb", ["login.failed", "secret.viewed"])
    expect(page.locator("#results tbody tr")).to_have_count(2)
    expect(page.locator(".chip")).to_contain_text("Login failed or Secret viewed")
    assert "secret.viewed" in (page.get_attribute("#download", "href") or "")
    page.click("#filter-menu > summary")
    page.click("#remove-verb")
    expect(page.locator(".chip")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("verb="))
    assert page.evaluate("document.querySelector('#id_verb').selectedOptions.length") == 0


def test_a_view_keeps_what_the_filters_show_by_now_and_works_without_javascript(open_as: Open, admin: User) -> None:
    builders.make_session(admin, Status.LOCKED)
    page = open_as(admin, "/sessions/")
    page.click("#filter-menu > summary")
    page.select_option("#id_status", "locked")
    expect(page.locator(".chip")).to_have_count(1)
    page.keyboard.press("Escape")
    page.click("#views-menu > summary")
    page.fill("#view-name", "Locked")
    page.check("#views-menu [name=is_favourite]")
    assert axe_finds(page) == []
    page.click("#views-menu .primary")
    expect(page.locator("#view-chip")).to_contain_text("View Locked")
    assert SavedView.objects.get().query == "status=locked"
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Locked")).to_be_visible()

    plain = open_as(admin, "/sessions/?host=web", java_script_enabled=False)
    plain.click("#views-menu > summary")
    plain.fill("#view-name", "Of web")
    plain.check("#views-menu [name=is_default]")
    plain.click("#views-menu .primary")
    plain.goto("/sessions/")
    expect(plain.locator("#view-chip")).to_contain_text("your default")
    plain.goto("/views/")
    plain.get_by_role("link", name="Delete Of web").click()
    plain.get_by_role("button", name="Delete view").click()
    expect(plain.get_by_role("link", name="Of web", exact=True)).to_have_count(0)
