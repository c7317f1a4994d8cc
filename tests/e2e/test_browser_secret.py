"""A secret in a real Chromium: shown, copied, hidden again by the page, and gone when the session is locked."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Error, Page, expect

from activity.models import LogEntry
from activity.verbs import Verb
from sessions_app.privileged.flows.lock import lock
from tests.support import machine
from tests.support.vault import PLAIN, make_secret, opened

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Open = Callable[..., Page]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def count(verb: Verb) -> int:
    return LogEntry.objects.filter(verb=verb).count()


@pytest.mark.browser_smoke
def test_a_secret_is_shown_and_hides_itself(open_as: Open, alice: User) -> None:
    make_secret()
    session = opened(alice, secret_view_timeout=3)
    page = open_as(alice, f"/sessions/{session.pk}/")
    assert PLAIN not in page.content()
    page.get_by_role("button", name="Show db root").click()
    field = page.get_by_label("Content of db root")
    expect(field).to_have_value(PLAIN)
    expect(page.locator("#revealed section")).to_be_focused()
    assert page.url.endswith(f"/sessions/{session.pk}/")
    expect(page.locator("[data-left]")).to_have_text("2")
    expect(field).to_have_count(0, timeout=4000)
    expect(page.locator("#revealed")).to_have_text("“db root” is hidden again.")
    assert PLAIN.splitlines()[0] not in page.content()
    assert count(Verb.SECRET_VIEWED) == 1


def test_another_view_begins_its_own_time_and_hide_now_hides(open_as: Open, alice: User) -> None:
    make_secret()
    make_secret("backup", "another")
    session = opened(alice, secret_view_timeout=4)
    page = open_as(alice, f"/sessions/{session.pk}/")
    page.get_by_role("button", name="Show db root").click()
    expect(page.locator("[data-left]")).to_have_text("2", timeout=4000)
    page.get_by_role("button", name="Show backup").click()
    expect(page.get_by_label("Content of backup")).to_have_value("another")
    page.wait_for_timeout(2500)  # the first view's time is over
    expect(page.get_by_label("Content of backup")).to_be_visible()
    page.get_by_role("button", name="Hide now").click()
    expect(page.locator("#revealed textarea")).to_have_count(0)


def test_a_copy_is_on_the_clipboard_and_in_the_log(open_as: Open, alice: User) -> None:
    make_secret()
    session = opened(alice)
    page = open_as(alice, f"/sessions/{session.pk}/", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Show db root").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#revealed .copied")).to_contain_text("is on the clipboard")
    assert page.evaluate("navigator.clipboard.readText()") == PLAIN
    assert count(Verb.SECRET_COPIED) == 1
    with page.expect_response(re.compile("/copied/")):
        page.get_by_label("Content of db root").press("Control+c")  # by hand
    assert count(Verb.SECRET_COPIED) == 2


def test_without_a_clipboard_for_scripts_the_copy_is_made_and_logged_too(open_as: Open, alice: User) -> None:
    make_secret()
    session = opened(alice)
    page = open_as(alice, f"/sessions/{session.pk}/")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Show db root").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#revealed .copied")).to_contain_text("is on the clipboard")
    assert count(Verb.SECRET_COPIED) == 1


def test_a_lock_takes_it_off_the_screen_with_the_next_refresh(open_as: Open, alice: User, admin: User) -> None:
    make_secret()
    session = opened(alice)
    page = open_as(alice, f"/sessions/{session.pk}/")
    page.get_by_role("button", name="Show db root").click()
    expect(page.get_by_label("Content of db root")).to_be_visible()
    lock(admin, session, title="Under review")
    page.evaluate("htmx.trigger('#results', 'refresh')")
    expect(page.locator("#revealed textarea")).to_have_count(0)
    expect(page.locator("#revealed")).to_contain_text("does not show its secrets any more")
    expect(page.locator("#secrets")).to_contain_text("It is Locked now.")


def test_a_refusal_is_said_in_its_place(open_as: Open, alice: User, admin: User) -> None:
    make_secret()
    session = opened(alice)
    page = open_as(alice, f"/sessions/{session.pk}/")
    lock(admin, session, title="Under review")
    page.get_by_role("button", name="Show db root").click()
    expect(page.locator("#revealed [role=alert]")).to_contain_text("It is Locked now.")


def test_without_javascript_the_page_leaves_by_itself(open_as: Open, alice: User) -> None:
    make_secret()
    session = opened(alice, secret_view_timeout=2)
    page = open_as(alice, f"/sessions/{session.pk}/", java_script_enabled=False)
    page.get_by_role("button", name="Show db root").click()
    expect(page.get_by_label("Content of db root")).to_have_value(PLAIN)
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.wait_for_url(f"**/sessions/{session.pk}/", timeout=6000)
    expect(page.locator("#revealed textarea")).to_have_count(0)
    with pytest.raises(Error, match="ERR_CACHE_MISS"):  # the browser kept nothing
        page.go_back()


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 400)])
def test_the_page_is_accessible_while_it_shows(open_as: Open, alice: User, theme: str, width: int) -> None:
    make_secret("a-very-long-name-that-no-column-was-made-for-" * 2, "x" * 500)
    session = opened(alice)
    page = open_as(alice, f"/sessions/{session.pk}/", color_scheme=theme, viewport={"width": width, "height": 900})
    page.get_by_role("button", name="Show a-very").click()
    expect(page.locator("#revealed textarea")).to_be_visible()
    page.evaluate(machine.axe_source())
    found = page.evaluate("rules => axe.run({ runOnly: rules })", RULES)["violations"]
    assert [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
