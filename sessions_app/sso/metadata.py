"""Asks providers over HTTP: their discovery document and their keys, which are cached, and whatever a login needs.

No redirect is followed, and no body of an answer is read for longer than some 15 seconds or beyond a megabyte. Of the
head of an answer only each pause is bounded (TIMEOUT): a hostile provider that sends it byte by byte holds one request.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

import requests
import urllib3
from django.core.cache import cache
from django.views.decorators.debug import sensitive_variables

from sessions_app.sso.errors import ProviderUnavailable
from sessions_app.sso.providers import OidcProvider, Provider, problem_of_address
from sessions_app.sso.tokens import UnknownKey, find_key

logger = logging.getLogger(__name__)

TIMEOUT = (3.05, 7.0)  # seconds to connect, and between two pieces of the answer
MOST_SECONDS = 15.0  # for the body of an answer, however slowly it trickles in; a last pause comes on top
MOST_BYTES = 1024 * 1024
KEPT_SECONDS = 60 * 60
KEYS_KEPT_SECONDS = 15 * 60
SECONDS_BETWEEN_FETCHES = 20  # of keys, however many tokens with unknown ones come
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def discover(provider: OidcProvider) -> dict[str, Any]:
    """Return the discovery document of a provider, at most an hour old. Raise ProviderUnavailable."""
    name = _cached_as("metadata", provider)
    found: dict[str, Any] | None = cache.get(name)
    if found is None:
        found = discover_anew(provider)
        cache.set(name, found, KEPT_SECONDS)
    return found


def discover_anew(provider: OidcProvider) -> dict[str, Any]:
    """Return the discovery document that the provider gives now. Raise ProviderUnavailable.

    Its issuer must be exactly the one of the settings, so that no provider passes itself off as another (OWASP ASVS 5,
    10.5.3), and each address in it must be one that tokens may be sent to.
    """
    document = get(provider, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != provider.issuer:
        raise ProviderUnavailable(provider.name, "its discovery document is of another issuer")
    for endpoint in (*ENDPOINTS, "userinfo_endpoint", "end_session_endpoint"):
        address = document.get(endpoint)
        if address is None and endpoint not in ENDPOINTS:
            continue
        problem = problem_of_address(address.partition("?")[0]) if isinstance(address, str) else "is missing"
        if problem:
            raise ProviderUnavailable(provider.name, f"{endpoint} in its discovery document {problem}")
    return document


def keys_for(provider: OidcProvider, header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the public keys of a provider, fetched anew if none of those at hand fits the header of a token.

    So a provider can change its keys at any time. Raise ProviderUnavailable.
    """
    name = _cached_as("keys", provider)
    keys: dict[str, Any] | None = cache.get(name)
    if keys is not None:
        try:
            find_key(keys, header)
        except UnknownKey:
            if not cache.add(_cached_as("fetched", provider), 1, SECONDS_BETWEEN_FETCHES):
                return keys
        else:
            return keys
    keys = get(provider, discover(provider)["jwks_uri"])
    if not isinstance(keys.get("keys"), list):
        raise ProviderUnavailable(provider.name, "its keys cannot be read")
    cache.set(name, keys, KEYS_KEPT_SECONDS)
    return keys


@sensitive_variables("bearer")
def get(provider: OidcProvider, url: str, *, bearer: str = "") -> dict[str, Any]:
    """Return the JSON object at an address. Raise ProviderUnavailable."""
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
    status, answer = _ask(provider, "GET", url, headers=headers)
    if status != 200:
        raise ProviderUnavailable(provider.name, f"{url} answered {status}")
    return answer


@sensitive_variables()
def post(
    provider: OidcProvider, url: str, data: Mapping[str, str], auth: tuple[str, str] | None
) -> tuple[int, dict[str, Any]]:
    """Send a form, and return the status and the JSON object of the answer. Raise ProviderUnavailable."""
    return _ask(provider, "POST", url, data=dict(data), auth=auth, headers={"Accept": "application/json"})


@sensitive_variables()
def _ask(provider: OidcProvider, method: str, url: str, **more: Any) -> tuple[int, dict[str, Any]]:
    try:
        with requests.request(method, url, timeout=TIMEOUT, allow_redirects=False, stream=True, **more) as response:
            answer = json.loads(read_whole(provider, response))
    except requests.RequestException as error:
        # Without the cause: it may show what was sent.
        raise ProviderUnavailable(provider.name, f"{url} does not answer: {type(error).__name__}") from None
    except ValueError:
        raise ProviderUnavailable(provider.name, f"{url} answered with something that is not JSON") from None
    if not isinstance(answer, dict):
        raise ProviderUnavailable(provider.name, f"{url} answered with something that is not an object")
    return response.status_code, answer


def read_whole(provider: Provider, response: requests.Response) -> bytes:
    """Return the body of a streamed answer. Raise ProviderUnavailable if it is too long or takes too long."""
    body, until = b"", time.monotonic() + MOST_SECONDS
    try:
        while piece := response.raw.read1(64 * 1024, decode_content=True):
            body += piece
            if len(body) > MOST_BYTES:
                raise ProviderUnavailable(provider.name, f"the answer of {response.url} is too long")
            if time.monotonic() > until:
                raise ProviderUnavailable(provider.name, f"the answer of {response.url} takes too long")
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(type(error).__name__) from None
    return body


def _cached_as(what: str, provider: OidcProvider) -> str:
    return f"sso:{what}:{hashlib.sha256(provider.issuer.encode()).hexdigest()}"
