"""Single sign-on in a browser, with a real provider: link, log out there too, and log in into a mapped role."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessions_app.logins.models import LoginSession
from tests.support.oidc_peer import Peer

pytestmark = [pytest.mark.browser, pytest.mark.browser_smoke, pytest.mark.django_db(transaction=True)]
OpenAs = Callable[..., Page]


@pytest.fixture
def console(provider: Peer, live_server: Any, settings: Any) -> Peer:
    """Tell the provider where the console is, and the console which group there is a role."""
    client = {
        "redirect_uris": [f"{live_server.url}/accounts/sso/peer/callback/"],
        "post_logout_redirect_uris": [f"{live_server.url}/accounts/login/"],
        "backchannel_logout_uri": f"{live_server.url}/accounts/sso/peer/back-channel-logout/",
    }
    provider.configure(client=client, accounts={"s-alice": {"groups": ["audit"]}})
    settings.SSO_PROVIDERS = provider.settings(groups={"audit": "Auditors"})
    return provider


def test_a_person_links_logs_out_on_both_sides_and_logs_in_into_a_role(
    open_as: OpenAs, alice: User, console: Peer, live_server: Any
) -> None:
    page = open_as(alice, "/accounts/me/")
    page.get_by_role("link", name="Single sign-on").click()
    page.get_by_role("button", name="Link Peer").click()  # the page between leads on by itself
    page.get_by_label("sub").fill("s-alice")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#identities")).to_contain_text("s-alice")
    page.context.clear_cookies(name="sessionid")

    page.goto("/logins/")
    page.get_by_role("link", name="Log in with Peer").click()
    page.get_by_label("sub").fill("s-alice")
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{live_server.url}/logins/")
    login = LoginSession.objects.get(signed_in_with="provider")
    assert (login.user, login.provider) == (alice, "Peer")
    assert list(alice.groups.values_list("name", flat=True)) == ["Auditors"]

    page.locator("#profile-menu summary").click()
    page.get_by_role("button", name="Logout", exact=True).click()
    expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()
    page.get_by_role("button", name="Log out of Peer").click()
    # The policy of the page let the form go. Chromium keeps no cookie of the peer without TLS, so the trip ends there.
    expect(page).to_have_url(re.compile(rf"{console.issuer}/session/end"))
