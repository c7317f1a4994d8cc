"""A provider of OpenID Connect as a second process (oidc_provider.mjs), and a person who logs in there.

Use the fixture `provider`: it starts the process once for the whole run, and sets the console up for it as "peer".
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from django.core.cache import cache
from django.test import Client

from scripts.vendor import install
from sessions_app.logins.geoip.npm_program import find_npm
from tests.support.pages import ClientResponse
from tests.support.programs import ROOT

CLIENT_ID, CLIENT_SECRET = "console of the tests", "s3cret: with % and + signs"
SECRET_VARIABLE = "TEST_SSO_SECRET"
SCRIPT = ROOT / "tests" / "support" / "oidc_provider.mjs"
TESTSERVER = "http://testserver"  # where Django's test client is


class Peer:
    """The provider that runs, as the tests see it."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return the setting SSO_PROVIDERS for this provider."""
        entry = {"name": "Peer", "issuer": self.issuer, "client_id": CLIENT_ID, "client_secret_env": SECRET_VARIABLE}
        return {"peer": entry | more}

    def configure(self, **change: Any) -> None:
        """Change the `client`, the claims of `accounts`, or the keys (`rotate`) while the provider runs.

        `in_browser` is for a real browser; `reset` is as at the start.
        """
        requests.post(f"{self.issuer}/test/configure", json=change, timeout=10).raise_for_status()


class PersonAtProvider:
    """A browser at the provider. It stays logged in there, as a real one does."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.session = requests.Session()

    def answer(self, address: str, **typed: str) -> str:
        """Go to an address of the provider, log in there if it asks, and return where it leads back to."""
        response = self._follow(self.session.get(address, allow_redirects=False, timeout=10))
        if "/interaction/" in response.url:
            sent = self.session.post(response.url, data=typed, allow_redirects=False, timeout=10)
            response = self._follow(sent)
        assert response.is_redirect, response.text
        return response.headers["Location"]

    def log_out(self, address: str, fields: dict[str, str]) -> str:
        """Send the form of the console's logout, say yes, and return where the provider leads back to."""
        page = self.session.post(address, data=fields, timeout=10)
        xsrf = re.search(r'name="xsrf" value="(\w+)"', page.text)
        assert xsrf is not None, page.text
        sent = {"xsrf": xsrf[1], "logout": "yes"}
        response = self.session.post(f"{self.peer.issuer}/session/end/confirm", sent, allow_redirects=False, timeout=10)
        return response.headers["Location"]

    def _follow(self, response: requests.Response) -> requests.Response:
        """Follow redirects that stay at the provider."""
        while response.is_redirect:
            there = urljoin(response.url, response.headers["Location"])
            if not there.startswith(self.peer.issuer):
                return response
            response = self.session.get(there, allow_redirects=False, timeout=10)
        return response


def sign_in(client: Client, peer: Peer, subject: str = "s-1", *, next_url: str = "", **typed: str) -> ClientResponse:
    """Log a test client in by the provider, and return the console's answer to the callback.

    `amr` and `acr` say which factors the provider reports.
    """
    response = client.get("/accounts/sso/peer/login/", {"next": next_url} if next_url else {})
    assert response.status_code == 302, response.content.decode()
    return come_back(client, PersonAtProvider(peer).answer(response["Location"], sub=subject, **typed))


def come_back(client: Client, address: str) -> ClientResponse:
    """Take the provider's redirect to the console."""
    assert address.startswith(TESTSERVER), address
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")


@pytest.fixture(scope="session")
def peer_process() -> Iterator[Peer]:
    """Start the provider once, and end it with the tests."""
    npm = find_npm()
    if not npm or not install():
        pytest.skip("npm is needed for the provider of the tests")
    node = npm[0] if len(npm) > 1 else "node"
    environment = {"PATH": os.environ["PATH"], "OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": CLIENT_SECRET}
    process = subprocess.Popen(
        [node, str(SCRIPT)], cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Peer(process.stdout.readline().strip())
    finally:
        process.stdin.close()
        process.wait(10)


@pytest.fixture
def provider(db: None, peer_process: Peer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Peer:
    """Set the console up for the provider, whose accounts have no claims but their subject."""
    monkeypatch.setenv(SECRET_VARIABLE, CLIENT_SECRET)
    peer_process.configure(reset=True)
    settings.SSO_PROVIDERS = peer_process.settings()
    cache.clear()
    return peer_process
