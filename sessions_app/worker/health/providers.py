"""Asks every provider of single sign-on whether people can log in by it: its discovery document, or its metadata.

This goes over the network, so it is done on request only, several providers at a time. Each has a few seconds.
"""

from __future__ import annotations

import concurrent.futures

from sessions_app.sso.errors import ProviderUnavailable
from sessions_app.sso.metadata import discover_anew
from sessions_app.sso.providers import OidcProvider, Provider, SamlProvider, providers
from sessions_app.sso.saml_metadata import identity_provider_anew
from sessions_app.worker.health.findings import Finding, error, ok

PROVIDERS_AT_A_TIME = 8


def check_providers() -> list[Finding]:
    """Return one finding for each provider that can be used. A system check reports the others."""
    found = list(providers().values())
    with concurrent.futures.ThreadPoolExecutor(PROVIDERS_AT_A_TIME) as pool:
        return list(pool.map(_check, found))


def _check(provider: Provider) -> Finding:
    name = f"Provider {provider.name}"
    try:
        if isinstance(provider, OidcProvider):
            provider.client_secret()
            discover_anew(provider)
        elif isinstance(provider, SamlProvider):
            identity_provider_anew(provider)
    except ProviderUnavailable as problem:
        remedy = f"Start it, or correct {provider.slug!r} in SSO_PROVIDERS (docs/sign-in.md#single-sign-on)."
        return error(name, f"Nobody can log in by it: {problem.detail}.", remedy)
    return ok(name, f"{provider.issuer} answers.")
