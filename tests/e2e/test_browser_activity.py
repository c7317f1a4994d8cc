"""The activity log in a real Chromium: type-ahead, search as you type, and a summary that follows the filters."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from activity.models import Level
from tests.support import builders
from tests.support.entries import ago, make_entry

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Open = Callable[..., Page]


def test_the_user_field_suggests_and_the_rows_and_the_summary_follow(
    open_as: Open, auditor: User, alice: User, outsider: User
) -> None:
    for number in range(30):
        builders.make_user(f"aaa-{number:02}")
    for number in range(40):
        make_entry(f"backup {number}", ago(hours=number * 4), actor=alice, user=alice, level=Level.INFO)
    make_entry("backup of the outsider failed", actor=outsider, user=outsider, level=Level.ERROR)
    builders.make_session(alice)
    page = open_as(auditor, "/activity/")
    expect(page.locator("#summary svg.chart")).to_be_visible()

    page.fill("#id_user", "")
    page.locator("#id_user").press_sequentially("alic")
    expect(page.locator("#user-names option")).to_have_count(1)
    assert page.locator("#user-names option").get_attribute("value") == "alice"
    page.fill("#id_user", "alice")
    page.locator("#id_user").blur()
    expect(page).to_have_url(re.compile("user=alice"))
    expect(page.locator("#results")).not_to_contain_text("outsider")
    expect(page.locator("#summary h2").first).to_have_text("Sessions of alice started in the last 7 days")

    page.locator("#search").press_sequentially("backup 39")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.locator("#summary .log-chart h2")).to_have_text("Entries in the last 7 days: 1")
    expect(page).to_have_url(re.compile(r"activity=backup\+39|activity=backup%2039"))

    page.reload()
    expect(page.locator("#results tbody tr")).to_have_count(1)
    assert page.input_value("#id_user") == "alice"


def test_the_choice_of_ten_users_stays_when_filters_change(open_as: Open, auditor: User) -> None:
    for number in range(7):
        builders.make_session(builders.make_user(f"user-{number}"))
    page = open_as(auditor, "/activity/")
    top = page.locator("#summary").get_by_role("region", name="Top users by total duration").locator("tbody tr")
    expect(top).to_have_count(5)
    expect(page.locator("#summary .log-chart svg")).to_be_visible()
    charts: list[str] = []
    page.on("request", lambda request: charts.append(request.url) if "/activity/chart/" in request.url else None)
    page.click("#top-10")
    expect(top).to_have_count(7)
    expect(page.locator("#summary .log-chart svg")).to_be_visible()
    assert charts == []  # to count its entries takes longer than all the rest
    page.select_option("#id_period", "1m")
    expect(page.locator("#summary h2").first).to_have_text("Sessions started in the last month")
    expect(top).to_have_count(7)
    expect(page.locator("#summary .log-chart h2")).to_contain_text("in the last month")
    assert len(charts) == 1
    assert "/activity/summary/" not in page.url


@pytest.mark.parametrize("width", [400, 1440])
def test_the_newest_bar_of_the_chart_is_in_view_without_scrolling_it(open_as: Open, auditor: User, width: int) -> None:
    make_entry("old", ago(days=6))
    make_entry("new", ago(minutes=1))
    page = open_as(auditor, "/activity/", viewport={"width": width, "height": 900})
    region = page.get_by_role("region", name="Chart of entries over time")
    region.scroll_into_view_if_needed()
    bar, frame = region.locator("rect.bar").last.bounding_box(), region.bounding_box()
    assert bar is not None
    assert frame is not None
    assert frame["x"] <= bar["x"]
    assert bar["x"] + bar["width"] <= frame["x"] + frame["width"]


def test_the_days_appear_with_from_to_and_get_details_works(open_as: Open, auditor: User) -> None:
    make_entry("long ago", ago(days=900))
    page = open_as(auditor, "/activity/")
    expect(page.locator("#id_since")).to_be_hidden()
    page.select_option("#id_period", "custom")
    expect(page.locator("#id_since")).to_be_visible()
    expect(page.locator("#results")).to_contain_text("long ago")
    page.fill("#id_since", f"{ago(days=1):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Get details").click()
    expect(page.locator("#results")).not_to_contain_text("long ago")
    page.fill("#id_until", "2001-01-01T23:59")
    page.get_by_role("button", name="Get details").click()
    expect(page.locator("#results .problem")).to_contain_text("is later than the end, 2001-01-01")


def test_without_javascript_everything_is_a_form_or_a_link(open_as: Open, auditor: User, alice: User) -> None:
    make_entry("of alice", actor=alice, user=alice)
    make_entry("of nobody")
    page = open_as(auditor, "/activity/", java_script_enabled=False)
    page.fill("#id_user", "alice")
    page.get_by_role("button", name="Get details").click()
    expect(page.locator("#results")).to_contain_text("of alice")
    expect(page.locator("#results")).not_to_contain_text("of nobody")
    page.get_by_role("link", name="Show the summary").click()
    page.get_by_role("link", name="Top 10").click()
    expect(page.get_by_role("heading", name="Top 10 users")).to_be_visible()
    page.get_by_role("link", name="Show the chart of entries over time").click()
    expect(page.locator("svg.chart")).to_be_visible()
    page.get_by_role("link", name="Back to the entries").click()
    assert page.input_value("#id_user") == "alice"
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download").click()
    assert waiting.value.suggested_filename.startswith("activity-log-last-7-days-user-alice-")
