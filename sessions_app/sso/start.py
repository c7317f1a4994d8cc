"""Begins a trip to a provider, whatever it speaks."""

from __future__ import annotations

import time

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from sessions_app.sso import flow, saml
from sessions_app.sso.providers import OidcProvider, Provider, SamlProvider
from sessions_app.sso.saml_metadata import identity_provider


def begin(
    request: HttpRequest,
    provider: Provider,
    purpose: str,
    next_url: str,
    *,
    must_authenticate: bool = False,
    parked: str = "",
) -> str:
    """Return the address at the provider to go to. Raise ProviderUnavailable.

    With `must_authenticate` the provider has to ask for a factor anew. `parked` is a form that waits for it.
    """
    if isinstance(provider, SamlProvider):
        return _begin_saml(request, provider, purpose, next_url, must_authenticate=must_authenticate, parked=parked)
    assert isinstance(provider, OidcProvider)  # noqa: S101 - for the type checker
    return flow.begin(request, provider, purpose, next_url, must_authenticate=must_authenticate, parked=parked)


@sensitive_variables("state")
def _begin_saml(
    request: HttpRequest, provider: SamlProvider, purpose: str, next_url: str, *, must_authenticate: bool, parked: str
) -> str:
    """Return the address at the provider to go to. What the answer must fit stays in the session for ten minutes.

    Raise ProviderUnavailable.
    """
    idp = identity_provider(provider)
    request_id, address = saml.login_request(request, provider, idp, must_authenticate=must_authenticate)
    asked_at = time.time() if must_authenticate else None
    state = {"purpose": purpose, "next": next_url, "parked": parked, "asked_at": asked_at}
    flow.keep(request, provider, state, request_id)
    return address
