"""The front door as a new user meets it: two factors, asked again, a provider with its logout, and a stolen login.

The browser is a real Chromium with a virtual authenticator, the provider a real one in a process of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django import Settings

from sessions_app.logins.models import EndReason, LoginSession, Method, SecondFactor
from sessions_app.not_me.mail import send_waiting
from sessions_app.people.models import AccountLockdown
from sessions_app.roles import ADMINISTRATORS, AUDITORS
from tests.support.browser import plug_in
from tests.support.builders import PASSWORD
from tests.support.factors import code_of
from tests.support.oidc_peer import CLIENT_ID, Peer
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]


@pytest.fixture
def newcomer(administrator_group: Group) -> User:
    user = User.objects.create_user("newcomer", "newcomer@example.com", PASSWORD)
    user.groups.add(administrator_group)
    return user


@pytest.fixture
def administrator_group(db: None) -> Group:
    return Group.objects.get(name=ADMINISTRATORS)


def log_in(page: Page, user_name: str) -> None:
    page.get_by_label("User name").fill(user_name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def log_out(page: Page) -> None:
    page.goto("/accounts/me/")
    page.locator("summary", has_text="newcomer").click()
    page.get_by_role("button", name="Logout", exact=True).click()
    expect(page.get_by_role("button", name="Log in", exact=True)).to_be_visible()


def in_the_console(page: Page) -> None:
    expect(page.get_by_role("navigation").first).to_be_visible()


def test_a_new_user_sets_up_both_factors_and_is_asked_again_before_cut_everything(
    open_as: OpenAs, newcomer: User, alice: User
) -> None:
    page = open_as(None, "/accounts/login/")
    log_in(page, "newcomer")
    in_the_console(page)

    page.goto("/accounts/2fa/")
    page.get_by_role("link", name="Set up an authenticator app").click()
    secret = page.locator("#secret-key").inner_text().replace(" ", "")
    page.get_by_label("Code that the app shows").fill(code_of(secret))
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("link", name="I have saved them").click()
    plug_in(page, "internal")
    page.get_by_role("link", name="Set up a passkey").click()
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_text("Laptop", exact=True)).to_be_visible()

    log_out(page)
    log_in(page, "newcomer")
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_label("Code").fill(code_of(secret, steps=1))  # that of now is used up
    page.get_by_role("button", name="Go on").or_(page.get_by_role("button", name="Log in")).first.click()
    in_the_console(page)
    assert LoginSession.objects.live().get().second_factor == SecondFactor.TOTP

    log_out(page)
    page.get_by_role("button", name="Log in with a passkey").click()
    in_the_console(page)
    login = LoginSession.objects.live().get()
    assert login.signed_in_with == Method.PASSKEY

    LoginSession.objects.filter(pk=login.pk).update(confirmed_at=None)
    page.goto(reverse("user", args=[alice.pk]))
    page.get_by_role("link", name="Cut everything").first.click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("Reason").fill("A test of the front door")
    dialog.get_by_role("button", name="Cut everything").click()
    expect(dialog).to_contain_text("Confirm that it is you")
    assert not AccountLockdown.objects.exists()
    dialog.get_by_role("button", name=re.compile("security key or passkey")).click()
    wait_until(AccountLockdown.objects.filter(user=alice).exists, "everything of alice is cut")
    login.refresh_from_db()
    assert login.confirmed_at is not None


def test_a_provider_leads_into_a_mapped_role_and_ends_the_login_by_its_back_channel(
    open_as: OpenAs, provider: Peer, live_server: Any, settings: Settings
) -> None:
    address = live_server.url
    settings.SITE_URL = address
    settings.SSO_PROVIDERS = provider.settings(create_accounts=True, groups={"watchers": AUDITORS})
    provider.configure(
        in_browser=True,
        client={
            "redirect_uris": [f"{address}/accounts/sso/peer/callback/"],
            "backchannel_logout_uri": f"{address}/accounts/sso/peer/back-channel-logout/",
        },
        accounts={"s-7": {"preferred_username": "wanda", "groups": ["watchers"]}},
    )
    page = open_as(None, "/accounts/login/")
    page.get_by_role("link", name=re.compile("Peer")).or_(page.get_by_role("button", name=re.compile("Peer"))).click()
    page.get_by_label("sub").fill("s-7")
    page.get_by_role("button", name="Log in").click()
    in_the_console(page)
    wanda = User.objects.get(username="wanda")
    assert list(wanda.groups.values_list("name", flat=True)) == [AUDITORS]
    page.goto("/logins/")
    expect(page.locator("main")).to_contain_text("wanda")

    elsewhere = page.context.new_page()
    elsewhere.goto(f"{provider.issuer}/session/end?client_id={CLIENT_ID.replace(' ', '%20')}")
    elsewhere.get_by_role("button", name=re.compile("Yes", re.IGNORECASE)).click()
    wait_until(lambda: not LoginSession.objects.live().exists(), "the provider has ended the login")
    assert LoginSession.objects.get().end_reason == EndReason.PROVIDER
    page.goto("/logins/")
    expect(page.get_by_role("button", name="Log in", exact=True)).to_be_visible()


def test_a_login_from_a_new_device_is_mailed_once_and_this_was_not_me_ends_it(
    open_as: OpenAs, newcomer: User, live_server: Any, settings: Settings
) -> None:
    settings.SITE_URL = live_server.url
    settings.TRUSTED_PROXIES = ["127.0.0.1", "::1"]
    first = open_as(None, "/accounts/login/")
    log_in(first, "newcomer")
    in_the_console(first)
    stranger = open_as(None, "/accounts/login/", extra_http_headers={"X-Forwarded-For": "203.0.113.9"})
    log_in(stranger, "newcomer")
    in_the_console(stranger)
    send_waiting()
    send_waiting()
    [letter] = mail.outbox
    assert "203.0.113.9" in str(letter.body)
    link = re.search(r"^(http\S+/accounts/not-me/\S+)$", str(letter.body), re.MULTILINE)
    assert link is not None

    reader = open_as(None, link[1].removeprefix(live_server.url))
    assert LoginSession.objects.live().count() == 2  # the link by itself changes nothing
    reader.get_by_role("button", name="This wasn't me").click()
    expect(reader.locator("main")).to_contain_text(re.compile("logged out", re.IGNORECASE))
    assert not LoginSession.objects.live().exists()
    for page in (first, stranger):
        page.goto("/logins/")
        expect(page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
    newcomer.refresh_from_db()
    assert not newcomer.check_password(PASSWORD)
