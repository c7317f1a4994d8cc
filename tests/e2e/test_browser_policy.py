"""An access policy in the browser: the search among people, and what the policy gives, follow each change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.catalogue.models import AccessPolicy
from tests.support.builders import make_activity, make_profile, make_resource, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]


def test_a_policy_is_written_with_what_it_gives_beside_it(open_as: OpenAs, admin: User) -> None:
    for number in range(30):
        make_user(f"user-{number:02}")
    make_user("zoe")
    make_activity()
    make_resource()
    make_profile("Two hours")
    page = open_as(admin, "/policies/add/")
    gives = page.locator("#effects")
    people = page.locator("#id_users")
    people.get_by_role("searchbox").press_sequentially("ZOE")
    people.locator(".chooser-found").get_by_text("zoe").click()
    expect(gives.locator("dd").first).to_have_text("1")
    people.get_by_role("searchbox").fill("user-29")
    expect(people.locator(".chooser-found label")).to_have_count(1)
    expect(people.locator(".chooser-chosen")).to_contain_text("zoe")
    page.get_by_label("Patch Linux").check()
    page.get_by_label("web-1").check()
    page.get_by_label("Connection profile").select_option(label="Two hours")
    expect(gives).to_contain_text("2 h 00 min")
    page.get_by_label("Connection profile").press("Tab")
    page.get_by_text("More: name").click()
    page.get_by_label("Priority").press("Enter")
    expect(page.get_by_role("heading", name="zoe: Patch Linux on web-1")).to_be_visible()
    assert AccessPolicy.objects.get().users.get().username == "zoe"
