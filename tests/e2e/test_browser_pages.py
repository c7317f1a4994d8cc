"""Every kind of page in a real Chromium, light and dark, wide and narrow: axe-core finds nothing against WCAG 2.2 AA,
nothing scrolls sideways, and the content security policy holds, in Django's admin too
(see tests/support/browser.py)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import Page, expect

from sessions_app.error_pages import draw
from sessions_app.gateway.models import GatewayHostKey
from sessions_app.privileged.flows.lock import lock
from sessions_app.privileged.models import Status
from sessions_app.serving.refusals import page_headers
from tests.support.browser import axe_finds
from tests.support.builders import (
    make_application,
    make_key,
    make_login,
    make_policy,
    make_profile,
    make_resource,
    make_session,
    make_user,
)
from tests.support.factors import give_key
from tests.support.recordings import make_recording, make_running
from tests.support.reviews import make_access_review, make_log_review
from tests.support.schedules import make_scheduled_export
from tests.support.siem import make_destination

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]
LONG = "a-very-long-name-that-no-column-was-made-for-" * 3


@pytest.fixture
def addresses(admin: User, approver: User) -> list[str]:
    """Return addresses of pages with sessions in every status, long names, locks and approvals."""
    group = Group.objects.create(name=LONG)
    policy = make_policy(groups=[group], users=[admin], profile=make_profile("Approved", [[approver]]))
    sessions = [make_session(make_user(f"{status}"), status) for status in Status]
    make_session(make_user(LONG[:140]), notes=LONG, ticket_number=LONG[:60])
    make_login(city=LONG[:110])
    give_key(admin, name=LONG[:60])
    give_key(approver, name=LONG[:60])
    application = make_application()
    tabs = [
        "/",
        "/overview/live/",
        "/approvals/",
        *(f"/sessions/?tab={tab}" for tab in ("active", "scheduled", "historical")),
    ]
    details = [f"/sessions/{sessions[0].pk}/", f"/sessions/{sessions[5].pk}/", f"/sessions/{sessions[0].pk}/log/"]
    things = [
        f"/users/{admin.pk}/",
        f"/users/{admin.pk}/login-rule/",
        f"/groups/{group.pk}/",
        f"/applications/{application.pk}/",
        f"/policies/{policy.pk}/",
        f"/users/{admin.pk}/?tab=rights",
        f"/try/?user=admin&activity={'Patch Linux'}&resource=web-9",
        f"/profiles/{policy.profile_id}/",
        f"/resources/{sessions[0].resource_id}/",
        f"/activities/{sessions[0].activity_id}/",
    ]
    lists = ["/users/", "/groups/", "/applications/", "/resources/", "/activities/", "/profiles/", "/policies/"]
    others = [
        "/views/",
        "/sessions/request/",
        "/settings/",
        "/sign-in/",
        "/evidence/",
        "/siem/",
        "/siem/add/",
        "/schedules/",
        "/schedules/add/",
        make_scheduled_export(admin).schedule.get_absolute_url(),
        f"/siem/{make_destination(port=9, name=LONG[:60]).pk}/",
        "/logins/",
        "/logins/map/",
        "/activity/",
        "/accounts/me/",
        "/accounts/password/",
        "/accounts/confirm/",
        "/accounts/2fa/",
        "/accounts/2fa/app/",
        "/accounts/2fa/keys/passkey/",
        f"/users/{approver.pk}/factors/",
        "/health/",
        "/reports/",
        "/reports/sessions/",
        "/reports/rights/",
        "/reports/changes/?period=this-year",
        "/reports/approvals/?period=custom",
        "/reports/leavers/?paper=1",
    ]
    key = make_key(admin, title=LONG[:80])
    own = make_session(admin, Status.AVAILABLE, resource=make_resource("ssh-1", connector="ssh", address=LONG))
    by_ssh = [f"/sessions/{own.pk}/", f"/sessions/{own.pk}/certificate/"]
    keys = ["/accounts/keys/add/", f"/accounts/keys/{key.pk}/remove/"]
    recorded = make_recording(own, title=LONG)
    running = make_running(make_session(admin, Status.LOGGED_IN))
    lock(admin, running.session, title=LONG[:100], message=LONG)  # its gateway is gone: unconfirmed
    GatewayHostKey.objects.create(kind="ssh-ed25519", public_key=f"ssh-ed25519 {LONG}", fingerprint="SHA256:x")
    heard = ["/recordings/", "/recordings/?q=whoami", f"/recordings/{recorded.pk}/?find=whoami"]
    heard += [f"/recordings/{running.pk}/live/", f"/sessions/{running.session_id}/", f"/sessions/{own.pk}/terminal/"]
    refused = ["/nowhere/", "/sessions/?sort=nonsense", "/sessions/?q=matches-nothing"]
    rights = f"/reviews/access/{make_access_review(admin, name=LONG[:80]).pk}/"
    reviews = [
        "/reviews/",
        f"/reviews/{make_log_review(note=LONG).pk}/",
        "/reviews/access/",
        rights,
        f"{rights}commit/",
    ]
    return [*tabs, *details, *things, *lists, *others, *by_ssh, *keys, *heard, *reviews, *refused]


def problems(page: Page, address: str) -> list[str]:
    """Return what axe-core finds wrong with the page, and a line if the page scrolls sideways."""
    said = [f"{address}: {found}" for found in axe_finds(page)]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        said.append(f"{address} scrolls sideways")
    return said


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 400)])
def test_every_page_is_accessible(open_as: OpenAs, admin: User, addresses: list[str], theme: Any, width: int) -> None:
    page = open_as(admin, "/accounts/me/", color_scheme=theme, viewport={"width": width, "height": 900})
    said = []
    for address in addresses:
        answer = page.goto(address)
        assert answer is not None
        assert answer.status < 500, address
        expect(page.locator(".htmx-request")).to_have_count(0)
        said += problems(page, address)
    assert said == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_login_page_is_accessible(open_as: OpenAs, theme: Any) -> None:
    page = open_as(None, "/accounts/login/", color_scheme=theme)
    assert problems(page, "login") == []
    page.fill("[name=username]", "nobody")
    page.fill("[name=password]", "wrong")
    page.locator("main button.primary").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert problems(page, "login refused") == []


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 400)])
def test_every_error_page_is_accessible(open_as: OpenAs, theme: Any, width: int) -> None:
    """The pages of the console's errors, and those with which the web server refuses by itself."""
    page = open_as(None, "/accounts/login/", color_scheme=theme, viewport={"width": width, "height": 900})
    headers = dict(page_headers("http")) | {"Content-Type": "text/html; charset=utf-8"}
    drawn: dict[str, str] = {}
    page.route("**/failed/*", lambda route: route.fulfill(body=drawn[route.request.url[-5:]], headers=headers))
    said = []
    for status, has_login in itertools.product((400, 403, 404, 408, 413, 429, 500, 503), (False, True)):
        name = f"{status}-{int(has_login)}"
        drawn[name] = draw(status, LONG, f"{LONG}.", is_part=False, is_read=True, has_login=has_login, theme="")
        page.goto(f"/failed/{name}")
        said += problems(page, name)
    if width == 400:
        page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Activity log")).to_be_visible()
    assert said == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_dialogs_and_menus_are_accessible(open_as: OpenAs, admin: User, addresses: list[str], theme: Any) -> None:
    page = open_as(admin, "/sessions/", color_scheme=theme)
    page.locator("#results tbody tr", has_text="Available").get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Lock", exact=True).click()
    expect(page.locator("#dialog")).to_be_visible()
    assert problems(page, "lock dialog") == []
    page.keyboard.press("Escape")
    for menu in ("#profile-menu", "#columns-menu"):
        page.locator(f"{menu} > summary").click()
        assert problems(page, menu) == []
        page.keyboard.press("Escape")
        expect(page.locator(menu)).not_to_have_attribute("open", "")


def test_a_button_that_is_gone_after_its_use_leaves_the_keyboard_in_the_page(open_as: OpenAs, admin: User) -> None:
    session = make_session(make_user("somebody"), Status.AVAILABLE)
    page = open_as(admin, f"/sessions/{session.pk}/")
    page.locator("#do-lock").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#dialog [name=title]")).to_be_focused()
    page.keyboard.type("Maintenance")
    page.keyboard.press("Enter")
    expect(page.locator("#do-unlock")).to_be_visible()
    expect(page.locator("#do-lock")).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()


def test_the_administration_works_under_the_same_policy(open_as: OpenAs, admin: User) -> None:
    policy = make_policy(users=[admin])
    page = open_as(admin, "/admin/")
    for address in (
        "/admin/sessions_app/accesspolicy/",
        "/admin/sessions_app/connectionprofile/add/",
        "/admin/auth/user/",
    ):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
    page.goto(f"/admin/sessions_app/accesspolicy/{policy.pk}/change/")
    page.locator(".field-users .select2-selection").click()
    expect(page.locator(".select2-results__option").first).to_be_visible()
    page.keyboard.press("Escape")
    page.fill("[name=name]", "Renamed")
    page.locator("[name=_save]").click()
    expect(page.locator(".messagelist .success")).to_contain_text("Renamed")
