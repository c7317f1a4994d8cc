"""A real Chromium for tests marked `browser`: fixtures `chromium_browser` and `open_as`. conftest.py imports them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support import machine
from tests.support.waiting import BROWSER_PATIENCE

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Only what is against the page comes back: everything that is right takes twice the time.
ASK = "async rules => (await axe.run({ runOnly: rules, resultTypes: ['violations'] })).violations"


def axe_finds(page: Page) -> list[str]:
    """Return what axe-core finds wrong with the page."""
    page.evaluate(machine.axe_source())
    found = page.evaluate(ASK, RULES)
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"][:2]]


def plug_in(page: Page, transport: str) -> None:
    """Give the browser an authenticator that answers by itself: "internal" is a passkey, "usb" a security key."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    is_passkey = transport == "internal"
    options = {
        "protocol": "ctap2",
        "transport": transport,
        "hasResidentKey": is_passkey,
        "hasUserVerification": is_passkey,
        "isUserVerified": is_passkey,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


@pytest.fixture(scope="module")
def chromium_browser() -> Iterator[Browser]:
    """Run one Chromium for the tests of a module.

    Playwright runs an event loop in this thread, so Django must be told to allow database calls.
    """
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=BROWSER_PATIENCE)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=machine.chromium(), args=FLAGS)
            yield browser
            browser.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def open_as(chromium_browser: Browser, live_server: Any) -> Iterator[Callable[..., Page]]:
    """Yield a function: open_as(alice, "/sessions/") opens a page in a fresh browser in which alice is logged in.

    None instead of alice means that nobody is logged in.

    Further arguments go to Playwright's new_context(). The test fails when any page broke the content security policy
    or had an uncaught error.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(user: User | None, path: str, **options: Any) -> Page:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        context = chromium_browser.new_context(base_url=live_server.url, **({"timezone_id": "UTC"} | options))
        contexts.append(context)
        if "timezone_id" not in options:  # the browser has told its zone on an earlier visit
            context.add_cookies([{"name": "timezone", "value": "UTC", "url": live_server.url}])
        if user is not None:
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": _login(user), "url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(BROWSER_PATIENCE)
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        page.on("console", lambda message: complaints.extend(_policy_breaches(message.text)))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _login(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def _policy_breaches(text: str) -> list[str]:
    return [text] if "Content Security Policy" in text else []
