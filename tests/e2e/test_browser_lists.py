"""Lists in a real Chromium: refreshes disturb nobody, columns can be dragged, everything is in the URL, and a keyboard
is enough."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from sessions_app.logins.models import EndReason, LoginSession
from tests.support import listing_urls
from tests.support.builders import make_login, make_resource, make_user
from tests.support.waiting import milliseconds

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST = "/test/logins/"
OpenAs = Callable[..., Page]
A_TIME = re.compile(r"^(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d$")


@pytest.fixture(autouse=True)
def list_under_test(settings: Any) -> None:
    """Add one more page to the console: tests/support/listing_urls.py."""
    settings.ROOT_URLCONF = "tests.support.listing_urls"
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [*settings.TEMPLATES[0]["DIRS"], listing_urls.TEMPLATES]}]
    listing_urls.handled.clear()


@pytest.fixture
def rows(list_under_test: None, transactional_db: None) -> list[LoginSession]:
    """Create sixty logins of different people, so that the list scrolls."""
    return [make_login(make_user(f"user{number:02}"), city=f"City {number:02}") for number in range(60)]


def refresh(page: Page) -> int:
    """Run the refresh that happens every ten seconds, wait for its end, and return the status of the answer."""
    status: int = page.evaluate(
        """() => new Promise(done => {
          const notice = ({ detail }) => {
            if (detail.requestConfig.elt.id !== 'results') return;
            document.removeEventListener('htmx:afterRequest', notice);
            done(detail.xhr.status);
          };
          document.addEventListener('htmx:afterRequest', notice);
          htmx.trigger('#results', 'refresh');
        })"""
    )
    return status


def end(row: LoginSession) -> None:
    LoginSession.objects.filter(pk=row.pk).update(ended_at=timezone.now(), end_reason=EndReason.FORCED)


def ended(page: Page, row: LoginSession) -> Locator:
    """Return the cell that says when the login of the row ended."""
    return page.locator(f"#row-{row.pk} td:nth-child(6)")


def test_a_refresh_keeps_selection_focus_and_scroll(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    page.check(f"#row-{rows[30].pk} [name=ids]")
    page.check(f"#row-{rows[31].pk} [name=ids]")
    region = page.locator("#results-region")
    before = region.evaluate("region => region.scrollTop")
    assert before > 0
    end(rows[32])
    assert refresh(page) == 200
    expect(ended(page, rows[32])).to_have_text(A_TIME)
    expect(page.locator("#results [name=ids]:checked")).to_have_count(2)
    expect(page.locator(f"#row-{rows[31].pk} [name=ids]")).to_be_focused()
    assert region.evaluate("region => region.scrollTop") == before


def test_a_refresh_keeps_the_focus_on_a_link_in_a_cell(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    page.locator(f"#row-{rows[5].pk} a").focus()
    end(rows[6])
    assert refresh(page) == 200
    expect(ended(page, rows[6])).to_have_text(A_TIME)
    expect(page.locator(f"#row-{rows[5].pk} a")).to_be_focused()


def test_a_refresh_without_news_costs_a_304(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    assert refresh(page) == 304
    end(rows[0])
    assert refresh(page) == 200
    assert refresh(page) == 304


def test_the_list_refreshes_by_itself_every_ten_seconds(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    end(rows[0])
    expect(ended(page, rows[0])).to_have_text(A_TIME, timeout=milliseconds(12_000))


def test_no_refresh_happens_while_a_dialog_is_open(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    page.check(f"#row-{rows[0].pk} [name=ids]")
    page.get_by_role("button", name="Act", exact=True).click()
    expect(page.locator("#dialog")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if LIST in request.url else None)
    page.wait_for_timeout(11_000)
    assert asked == []


def test_typing_searches_and_the_address_follows(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "q=" in request.url else None)
    page.locator("#search").press_sequentially("user07", delay=20)
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/test/logins/\?q=user07$"))
    assert len(asked) == 1
    expect(page.locator("#search")).to_be_focused()
    expect(page.locator("#announcer")).to_have_text("1 login")
    page.reload()
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.locator("#search")).to_have_value("user07")


def test_search_keeps_the_order_and_the_links_follow(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    page.locator("#sort-user").click()
    expect(page.locator("[data-column=user]")).to_have_attribute("aria-sort", "descending")
    page.locator("#search").fill("user0")
    expect(page.locator("#results tbody tr")).to_have_count(10)
    expect(page.locator("#results tbody tr").first).to_contain_text("user09")
    assert page.url.endswith("?q=user0&sort=-user")
    for selector in ("#refresh", "#download"):
        address = page.locator(selector).get_attribute("href") or ""
        assert "q=user0" in address
        assert "sort=-user" in address
    assert page.locator("#selection [name=next]").input_value().endswith("?q=user0&sort=-user")


def test_back_returns_to_the_list_before(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    page.locator("#sort-city").click()
    expect(page.locator("[data-column=city]")).to_have_attribute("aria-sort", "ascending")
    page.locator("#search").press_sequentially("user1", delay=20)
    expect(page.locator("#results tbody tr")).to_have_count(10)
    page.locator("#search").press_sequentially("5", delay=20)
    expect(page.locator("#results tbody tr")).to_have_count(1)
    page.go_back()
    expect(page.locator("#results tbody tr")).to_have_count(60)
    assert page.url.endswith("?sort=city")
    expect(page.locator("#search")).to_have_value("")
    page.go_back()
    expect(page.locator("[data-column=user]")).to_have_attribute("aria-sort", "ascending")


def test_the_toolbar_says_why_not(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    end(rows[1])
    page = open_as(admin, LIST)
    act = page.get_by_role("button", name="Act", exact=True)
    one = page.get_by_role("button", name="Only one")
    never = page.get_by_role("button", name="Never")
    expect(act).to_be_hidden()  # nothing is selected
    page.check(f"#row-{rows[0].pk} [name=ids]")
    expect(act).to_be_visible()
    expect(act).not_to_have_attribute("aria-disabled", "true")
    never.click(force=True)
    expect(page.locator("#toolbar-hint")).to_have_text("Auditors change nothing")
    expect(page.locator("#dialog")).to_be_hidden()
    assert page.url.endswith(LIST)
    expect(never).to_have_attribute("title", "Auditors change nothing")
    page.check(f"#row-{rows[1].pk} [name=ids]")
    expect(act).to_have_attribute("title", "user01 is logged out already (1 of 2 selected)")
    expect(act).to_have_attribute("aria-describedby", "toolbar-hint")
    expect(one).to_have_attribute("title", "Select one session only")
    page.uncheck(f"#row-{rows[1].pk} [name=ids]")
    expect(act).not_to_have_attribute("aria-disabled", "true")
    page.mouse.move(0, 0)
    page.locator("#search").focus()
    expect(page.locator("#toolbar-hint")).to_have_text("1 selected")


def test_all_on_the_page_are_selected_at_once(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST + "?size=20")
    page.check("#select-page")
    expect(page.locator("[name=ids]:checked")).to_have_count(20)
    page.uncheck(f"#row-{rows[3].pk} [name=ids]")
    assert page.locator("#select-page").evaluate("box => box.indeterminate")


def test_the_dialog_acts_and_says_what_was_done(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    page.check(f"#row-{rows[0].pk} [name=ids]")
    page.check(f"#row-{rows[2].pk} [name=ids]")
    page.get_by_role("button", name="Act", exact=True).click()
    dialog = page.get_by_role("dialog", name="Act on 2")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Act").click()
    expect(dialog.get_by_text("Say why.")).to_be_visible()
    expect(dialog.get_by_label("Reason")).to_be_focused()
    dialog.get_by_label("Reason").fill("maintenance")
    with page.expect_response(lambda response: LIST in response.url):
        dialog.get_by_role("button", name="Act").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#messages .message.success")).to_have_text("Acted.")
    assert listing_urls.handled[-1] == ("maintenance", [str(rows[0].pk), str(rows[2].pk)])


@pytest.mark.parametrize("how", ["Escape", "Cancel"])
def test_the_dialog_closes_without_acting(open_as: OpenAs, admin: User, rows: list[LoginSession], how: str) -> None:
    page = open_as(admin, LIST)
    page.check(f"#row-{rows[0].pk} [name=ids]")
    act = page.get_by_role("button", name="Act", exact=True)
    act.click()
    expect(page.locator("#dialog")).to_be_visible()
    if how == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#dialog")).to_be_hidden()
    expect(act).to_be_focused()
    assert listing_urls.handled == []


@pytest.mark.browser_smoke
def test_an_open_page_notices_within_ten_seconds_that_it_was_logged_out(
    open_as: OpenAs, admin: User, rows: list[LoginSession]
) -> None:
    page = open_as(admin, LIST)
    page.wait_for_timeout(500)
    for login in LoginSession.objects.filter(user=admin):
        end(login)
    page.wait_for_url(re.compile(r"/accounts/login/\?next=/test/logins/"), timeout=milliseconds(10_000))


def test_a_list_is_used_with_the_keyboard_alone(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("user0")
    expect(page.locator("#results tbody tr")).to_have_count(10)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "sort-user":
            break
    page.keyboard.press("Enter")
    expect(page.locator("[data-column=user]")).to_have_attribute("aria-sort", "descending")
    expect(page.locator("#sort-user")).to_be_focused()
    while page.evaluate("document.activeElement.name") != "ids":
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    while page.evaluate("document.activeElement.dataset.verb") != "act":
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    expect(page.locator("#messages .message")).to_have_text("Acted.")
    assert listing_urls.handled == [("by keyboard", [str(rows[9].pk)])]


def test_a_server_that_is_gone_is_said_once_and_unsaid(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST)
    page.context.set_offline(True)
    page.evaluate("htmx.trigger('#results', 'refresh')")
    expect(page.locator("#messages .message.warning")).to_contain_text("The server does not answer")
    page.context.set_offline(False)
    refresh(page)
    expect(page.locator("#messages .message")).to_have_count(0)


def test_the_theme_is_remembered_without_a_flash(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST, color_scheme="light")
    page.locator("#profile-menu summary").click()
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark != "rgb(245, 246, 248)"


def test_the_browser_tells_its_time_zone(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST, timezone_id="Asia/Tokyo")
    assert {"name": "timezone", "value": "Asia/Tokyo"}.items() <= {
        (key, value) for cookie in page.context.cookies() for key, value in cookie.items()
    }
    page.reload()
    in_tokyo = rows[0].created_at.astimezone(zoneinfo.ZoneInfo("Asia/Tokyo"))
    expect(page.locator(f"#row-{rows[0].pk} td:nth-child(7)")).to_have_text(re.compile(f"{in_tokyo:%H:%M:%S}$"))


def test_everything_works_with_javascript_off(open_as: OpenAs, admin: User, rows: list[LoginSession]) -> None:
    page = open_as(admin, LIST, java_script_enabled=False)
    expect(page.locator(".resize").first).to_be_hidden()
    page.locator("#sort-user").click()
    assert page.url.endswith("?sort=-user")
    page.fill("#search", "user1")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#results tbody tr").first).to_contain_text("user19")
    page.check(f"#row-{rows[19].pk} [name=ids]")
    page.get_by_role("button", name="Act", exact=True).click()
    expect(page.get_by_role("heading", name="Act on 1")).to_be_visible()


@pytest.mark.parametrize("width", [400, 1440])
def test_nothing_but_the_table_scrolls_sideways(
    open_as: OpenAs, admin: User, rows: list[LoginSession], width: int
) -> None:
    LoginSession.objects.filter(pk=rows[0].pk).update(city="x" * 120)
    page = open_as(admin, LIST, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 400:
        page.get_by_role("button", name="Menu").click()
        expect(page.get_by_role("link", name="Activity log")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("link", name="Activity log")).to_be_hidden()
        page.locator("#filter-menu > summary").click()
        page.locator("#id_device").select_option("Desktop")
        expect(page).to_have_url(re.compile(r"\?device=Desktop$"))


@pytest.mark.parametrize("width", [400, 1440])
def test_filters_become_chips_that_the_form_follows(open_as: OpenAs, admin: User, alice: User, width: int) -> None:
    page = open_as(admin, "/users/", viewport={"width": width, "height": 800})
    menu, count, chips = page.locator("#filter-menu > summary"), page.locator("#filter-count"), page.locator(".chip")
    expect(count).to_be_hidden()
    menu.click()
    page.select_option("#id_role_is", "not")
    page.select_option("#id_role", "user")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#id_role")).to_be_hidden()
    expect(chips).to_have_text([re.compile(r"Role\s+is not\s+User")])
    expect(page).to_have_url(re.compile(r"\?role_is=not&role=user$"))
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(count).to_have_text("1")
    page.click("#turn-role")
    expect(chips).to_have_text([re.compile(r"Role\s+is\s+User")])
    expect(page).to_have_url(re.compile(r"\?role=user$"))
    page.fill("#search", "ali")
    expect(page).to_have_url(re.compile(r"role=user"))  # the search keeps it
    page.get_by_role("button", name="Remove the filter Role is User").click()
    expect(chips).to_have_count(0)
    expect(count).to_be_hidden()
    expect(page).to_have_url(re.compile(r"\?q=ali$"))
    assert page.input_value("#id_role") == ""


def test_filters_work_without_javascript(open_as: OpenAs, admin: User, alice: User) -> None:
    page = open_as(admin, "/users/", java_script_enabled=False)
    page.locator("#filter-menu > summary").click()
    page.select_option("#id_role", "user")
    page.get_by_role("button", name="Apply").click()
    page.click("#turn-role")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.locator("#results")).to_contain_text("admin")
    page.get_by_role("button", name="Remove the filter Role is not User").click()
    expect(page.locator("#results tbody tr")).to_have_count(2)


def test_hosts_are_suggested_while_somebody_types(open_as: OpenAs, admin: User) -> None:
    for number in range(3):
        make_resource(f"web-{number}")
    page = open_as(admin, "/sessions/")
    page.locator("#filter-menu > summary").click()
    page.locator("#id_host").press_sequentially("web-2")
    expect(page.locator("#host-names option")).to_have_count(1)
