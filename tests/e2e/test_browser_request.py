"""The request wizard and the question of the administration in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from sessions_app.catalogue.models import Resource
from tests.support import builders
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]


def test_typing_a_date_selects_at_a_time_and_as_soon_as_possible_empties_it(open_as: OpenAs, alice: User) -> None:
    policy = builders.make_policy(users=[alice])
    query = f"activity={policy.activities.get().pk}&resources={policy.resources.get().pk}"
    page = open_as(alice, f"/sessions/request/?{query}")
    expect(page.get_by_label("As soon as possible")).to_be_checked()
    page.get_by_label("Date and time").fill("2026-10-25T02:30")
    expect(page.get_by_label("At a time")).to_be_checked()
    page.get_by_label("As soon as possible").check()
    expect(page.get_by_label("Date and time")).to_have_value("")


def test_the_administration_asks_before_it_ends_a_session(open_as: OpenAs, alice: User, admin: User) -> None:
    builders.make_session(alice)
    resource = Resource.objects.get()
    page = open_as(admin, f"/admin/sessions_app/resource/{resource.pk}/change/")
    page.get_by_label("Active").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="This ends 1 open session")).to_be_visible()
    page.get_by_role("button", name="Save, and end 1 session").click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    resource.refresh_from_db()
    assert not resource.is_active


def test_the_browsers_back_loses_nothing_that_was_typed(open_as: OpenAs, alice: User) -> None:
    hosts = [builders.make_resource("web-1"), builders.make_resource("web-2")]
    builders.make_policy(users=[alice], resources=hosts)
    page = open_as(alice, "/sessions/request/")
    page.get_by_label("Patch Linux").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("web-1").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Notes").fill("Broken disk")
    page.go_back()
    wait_until(lambda: any("Broken disk" in str(each.get_decoded()) for each in Session.objects.all()), "it is kept")
    page.get_by_label("web-2").check()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_label("Notes")).to_have_value("Broken disk")
    page.get_by_label("Ticket").press("Enter")
    expect(page.get_by_role("heading", name="2 sessions")).to_be_visible()
