"""scim2-tester, the client of others, walks the whole API of a running server as it would walk any."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.contrib.auth.models import User
from django.test.testcases import QuietWSGIRequestHandler
from scim2_client import BaseSyncSCIMClient
from scim2_tester import Status, check_server

from tests.support.scim import make_token

# The tester wants a removed `active` to be gone. RFC 7643 (2.5) lets a server give it a value of its own; an account is
# always either active or disabled.
ALWAYS_THERE = "check_remove_attribute User: PATCH modify() did not remove attribute 'active'"


class OverHttp(BaseSyncSCIMClient):
    """The client of scim2-client over a socket, by the library that the console has anyway."""

    def __init__(self, address: str, token: str) -> None:
        super().__init__()
        self.address = address
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {token}"
        self.gone: dict[str, requests.Response] = {}

    def _stays_under_base_url(self, endpoint: str) -> bool:
        return not urlsplit(endpoint).netloc

    def _parse_json(self, response: Any) -> Any:
        return response.json()

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        if method == "DELETE":  # after each check the tester deletes again all that it ever made
            if url in self.gone:
                return self.gone[url]
            self.gone[url] = self.http.request(method, f"{self.address}/scim/v2/{url.lstrip('/')}", timeout=30)
            return self.gone[url]
        return self.http.request(method, f"{self.address}/scim/v2/{url.lstrip('/')}", timeout=30, **kwargs)


@pytest.fixture
def answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Django's server for tests send headers and body without 40 ms between them (Nagle's algorithm)."""
    monkeypatch.setattr(QuietWSGIRequestHandler, "disable_nagle_algorithm", True)


def test_the_tester_of_python_scim_finds_no_error(answers_at_once: None, live_server: Any, admin: User) -> None:
    results = check_server(OverHttp(live_server.url, make_token(admin)))
    wrong = [one for one in results if one.status in (Status.ERROR, Status.CRITICAL, Status.DEVIATION)]
    told = [f"{one.title} {one.resource_type}: {one.reason}" for one in wrong]
    assert told == [ALWAYS_THERE]
    assert sum(one.status == Status.SUCCESS for one in results) > 50
