"""What a person does in the browser, step by step, for the journeys."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from tests.support.waiting import BROWSER_PATIENCE


def enter(browser: Browser, address: str, name: str, password: str) -> Page:
    """Open a fresh browser, log in through the login page, and return the page."""
    page = browser.new_context(base_url=address, accept_downloads=True).new_page()
    page.set_default_timeout(BROWSER_PATIENCE)
    page.goto("/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("#approvals-count")).to_be_attached()
    return page


def choose(page: Page, number: int, button: str) -> None:
    """Select the session of that number and press a button of the toolbar."""
    page.locator(f"#row-{number} [name=ids]").check()
    page.locator("#selection").get_by_role("button", name=button, exact=True).click()


def confirm(page: Page) -> None:
    """Press the dialog's own button and wait until it closes."""
    page.locator("#dialog button[type=submit]").click()
    expect(page.locator("#dialog")).to_be_hidden()


def approve(page: Page, number: int) -> None:
    """Approve the request of that number in the inbox, and wait until it is gone."""
    if not page.url.endswith("/approvals/"):
        page.goto("/approvals/")
    page.locator(f"#request-{number}").get_by_role("button", name="Approve").click()
    expect(page.locator(f"#request-{number}")).to_have_count(0)


def status(page: Page, number: int, label: str) -> None:
    """Wait, through the quiet refreshes, until the row shows this status."""
    expect(page.locator(f"#row-{number} .badge:not(.bare)")).to_have_text(label, timeout=BROWSER_PATIENCE)
