"""The forms of the configuration in a real Chromium: a choice changes what is asked, and durations are echoed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.catalogue.models import ConnectionProfile, Resource

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Open = Callable[..., Page]


def test_a_choice_changes_what_is_asked_and_loses_nothing(open_as: Open, admin: User) -> None:
    page = open_as(admin, "/resources/add/")
    page.locator("#id_name").fill("web-1")
    page.locator("#id_address").fill("web-1.example.com")
    page.locator("#id_platform").select_option("vault")
    expect(page.locator("#id_address")).to_have_count(0)
    page.locator("#id_platform").select_option("linux")
    expect(page.locator("#id_address")).to_have_value("web-1.example.com")
    expect(page.get_by_role("button", name="Show the fields")).to_have_count(0)
    page.locator("#id_name").press("Enter")
    expect(page.locator("#messages, .toast").filter(has_text="Added resource")).to_be_visible()
    assert Resource.objects.get().connector == "ssh"


def test_a_duration_is_echoed_while_it_is_typed(open_as: Open, admin: User) -> None:
    page = open_as(admin, "/profiles/add/?template=working-day")
    echo = page.locator(".with-echo", has=page.locator("#id_maximum_duration")).locator(".echo")
    expect(echo).to_have_text("= 8 hours")
    page.locator("#id_maximum_duration").fill("60")
    expect(echo).to_have_text("Add the unit: 60 min, or 60 h?")
    page.locator("#id_maximum_duration").fill("2 h 30")
    expect(echo).to_have_text("= 2 hours 30 minutes")
    page.locator("#id_extension_limit").fill("0")
    page.locator("#id_extension_limit").press("Tab")
    expect(page.locator("#id_extension_by")).to_have_count(0)
    page.get_by_role("button", name="Add connection profile").click()
    expect(page.locator("h1")).to_have_text("Working day")
    assert ConnectionProfile.objects.get().extension_limit == 0
