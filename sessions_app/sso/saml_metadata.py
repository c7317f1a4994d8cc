"""Reads the metadata of SAML identity providers, from a file or over HTTP: their keys, and where logins begin."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import requests
from django.core.cache import cache

from sessions_app.sso.errors import ProviderUnavailable
from sessions_app.sso.metadata import TIMEOUT, read_whole
from sessions_app.sso.providers import SamlProvider, problem_of_address
from sessions_app.sso.saml_package import toolkit

logger = logging.getLogger(__name__)
KEPT_SECONDS = 60 * 60


def identity_provider(provider: SamlProvider) -> dict[str, Any]:
    """Return what python3-saml wants to know of the provider. Raise ProviderUnavailable.

    Metadata that come over HTTP are at most an hour old; a file is read at each login.
    """
    if provider.metadata_file:
        return identity_provider_anew(provider)
    name = f"sso:saml:{hashlib.sha256(f'{provider.issuer} {provider.metadata_url}'.encode()).hexdigest()}"
    found: dict[str, Any] | None = cache.get(name)
    if found is None:
        found = identity_provider_anew(provider)
        cache.set(name, found, KEPT_SECONDS)
    return found


def identity_provider_anew(provider: SamlProvider) -> dict[str, Any]:
    """Return the same by metadata that are read now. Raise ProviderUnavailable."""
    if not provider.metadata_file:
        return _read(provider, _fetch(provider))
    try:
        return _read(provider, Path(provider.metadata_file).read_bytes())
    except OSError as error:
        detail = f"the file {provider.metadata_file} cannot be read: {type(error).__name__}"
        raise ProviderUnavailable(provider.name, detail) from None


def _fetch(provider: SamlProvider) -> bytes:
    url = provider.metadata_url
    try:
        with requests.get(url, timeout=TIMEOUT, allow_redirects=False, stream=True) as response:
            body = read_whole(provider, response)
    except requests.RequestException as error:
        raise ProviderUnavailable(provider.name, f"{url} does not answer: {type(error).__name__}") from None
    if response.status_code != 200:
        raise ProviderUnavailable(provider.name, f"{url} answered {response.status_code}")
    return body


def _read(provider: SamlProvider, text: bytes) -> dict[str, Any]:
    """Return the part of the metadata about the issuer of the settings, and of no other."""
    tools = toolkit(provider)
    try:
        found = tools.OneLogin_Saml2_IdPMetadataParser.parse(text, entity_id=provider.issuer).get("idp")
    except (ValueError, SyntaxError) as error:
        raise ProviderUnavailable(provider.name, f"its metadata are no XML: {type(error).__name__}") from None
    if not found or found.get("entityId") != provider.issuer:
        raise ProviderUnavailable(provider.name, f"its metadata do not describe {provider.issuer}")
    address = found.get("singleSignOnService", {}).get("url", "")
    if not address or problem_of_address(address.partition("?")[0]):
        raise ProviderUnavailable(provider.name, "its metadata name no address for logins by redirect (HTTP-Redirect)")
    if not found.get("x509cert") and not found.get("x509certMulti", {}).get("signing"):
        raise ProviderUnavailable(provider.name, "its metadata hold no certificate for signatures")
    return _without_bad_logout(provider, found)


def _without_bad_logout(provider: SamlProvider, found: dict[str, Any]) -> dict[str, Any]:
    """Return the same without the logout at the provider if one of its addresses cannot be used: logins go on."""
    service = found.get("singleLogoutService", {})
    for address in filter(None, (service.get("url"), service.get("responseUrl"))):
        if problem := problem_of_address(address.partition("?")[0]) or _problem_of_form(provider, address):
            logger.warning("%s: no logout there: the address in its metadata %s", provider.slug, problem)
            return {name: value for name, value in found.items() if name != "singleLogoutService"}
    return dict(found)


def _problem_of_form(provider: SamlProvider, address: str) -> str:
    """Return why python3-saml would refuse all settings with this address; an empty string if it takes it."""
    return "" if toolkit(provider).validate_url(address, True) else "is not an address"
