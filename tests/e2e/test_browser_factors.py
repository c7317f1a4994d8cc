"""Second factors in a real Chromium with its virtual authenticator: set up, as the only step, as the second step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.logins.models import LoginSession, Method, SecondFactor
from tests.support.browser import axe_finds, plug_in
from tests.support.builders import PASSWORD
from tests.support.factors import code_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Open = Callable[..., Page]


def log_out(page: Page) -> None:
    LoginSession.objects.live().update(ended_at="2026-01-01T00:00:00Z", end_reason="logout")
    page.context.clear_cookies(name="sessionid")
    page.goto("/accounts/login/")


@pytest.mark.browser_smoke
def test_a_passkey_is_set_up_and_then_logs_in_by_itself(open_as: Open, alice: User) -> None:
    page = open_as(alice, "/accounts/2fa/")
    plug_in(page, "internal")
    page.get_by_role("link", name="Set up a passkey").click()
    assert axe_finds(page) == []
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    assert axe_finds(page) == []
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_text("Laptop")).to_be_visible()
    assert axe_finds(page) == []
    log_out(page)
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.get_by_role("navigation").first).to_be_visible()
    login = LoginSession.objects.live().get()
    assert (login.user, login.signed_in_with, login.second_factor) == (alice, Method.PASSKEY, SecondFactor.PASSKEY)


def test_a_security_key_is_the_second_step(open_as: Open, alice: User) -> None:
    page = open_as(alice, "/accounts/2fa/keys/security-key/")
    plug_in(page, "usb")
    page.get_by_role("button", name="Set up").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    log_out(page)
    page.get_by_label("User name").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    assert axe_finds(page) == []
    page.get_by_role("button", name="Use a security key or passkey").click()
    expect(page.get_by_role("navigation").first).to_be_visible()
    assert LoginSession.objects.live().get().second_factor == SecondFactor.SECURITY_KEY


def test_without_a_key_the_page_says_what_happened(open_as: Open) -> None:
    page = open_as(None, "/accounts/login/")
    refuse = "() => { navigator.credentials.get = () => Promise.reject(new DOMException('', 'NotAllowedError')) }"
    page.evaluate(refuse)  # as when somebody cancels
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.locator("form[data-webauthn] [role=alert]")).to_contain_text("No key answered")


def test_an_app_is_set_up_from_what_the_page_shows(open_as: Open, alice: User) -> None:
    page = open_as(alice, "/accounts/2fa/app/")
    assert axe_finds(page) == []
    secret = page.locator("#secret-key").inner_text().replace(" ", "")
    page.get_by_label("Code that the app shows").fill(code_of(secret))
    page.get_by_role("button", name="Set up").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
