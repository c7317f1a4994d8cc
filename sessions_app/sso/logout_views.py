"""The logout, which also offers the logout at the provider that began the login (RP-Initiated Logout 1.0, SAML 2.0)."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any
from urllib.parse import urlsplit

from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from sessions_app.logins.account_views import ConsoleLogoutView
from sessions_app.logins.backend import current_login
from sessions_app.sealing import SealingError, unseal
from sessions_app.sso import metadata, saml
from sessions_app.sso.errors import ProviderUnavailable
from sessions_app.sso.models import ProviderLogin
from sessions_app.sso.providers import OidcProvider, Provider, SamlProvider, providers
from sessions_app.sso.saml_metadata import identity_provider

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class LogoutThere:
    """What logs a person out at the provider: a form and where it is sent, or without fields a link.

    The fields hold the ID token, so the form is sent by POST: it must stand in no address.
    """

    provider: Provider
    address: str
    fields: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)


class SsoLogoutView(ConsoleLogoutView):
    """Logs a person out here, by POST only, and then offers to log them out at their provider."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Log out. Answer with the way out at the provider, or go to the login page where there is none."""
        login = current_login(request)
        begun = ProviderLogin.objects.filter(login=login.pk).first() if login is not None else None
        response: HttpResponse = super().post(request, *args, **kwargs)
        there = logout_there(request, begun) if begun is not None else None  # a slow provider is asked afterwards
        return response if there is None else _offer(request, there)


def logout_there(request: HttpRequest, begun: ProviderLogin) -> LogoutThere | None:
    """Return the way out at the provider that began a login; None where there is nothing to log out from."""
    provider = providers().get(begun.provider)
    if provider is None or not provider.logs_out_there:
        return None
    try:
        if isinstance(provider, SamlProvider):
            return _by_saml(request, provider, begun)
        return _by_oidc(request, provider, begun) if isinstance(provider, OidcProvider) else None
    except (ProviderUnavailable, SealingError) as error:
        logger.warning("%s: no logout there: %s", provider.slug, getattr(error, "detail", error))
        return None


@sensitive_variables()
def _by_oidc(request: HttpRequest, provider: OidcProvider, begun: ProviderLogin) -> LogoutThere | None:
    address = metadata.discover(provider).get("end_session_endpoint")
    hint = unseal(begun.id_token).decode() if begun.id_token else ""
    if not address:
        return None
    fields = {
        "client_id": provider.client_id,
        "post_logout_redirect_uri": request.build_absolute_uri(reverse("login")),
        **({"id_token_hint": hint} if hint else {}),
    }
    return LogoutThere(provider, address, fields)


def _by_saml(request: HttpRequest, provider: SamlProvider, begun: ProviderLogin) -> LogoutThere | None:
    address = saml.logout_address(
        request, provider, identity_provider(provider), subject=begun.subject, session_id=begun.session_id
    )
    return LogoutThere(provider, address) if address else None


def _offer(request: HttpRequest, there: LogoutThere) -> HttpResponse:
    """Return the page with the way out. Only this page may send a form to another host, and only to this one."""
    parts = urlsplit(there.address)
    context = {"heading": "You are logged out", "there": there, "fields": there.fields.items()}
    lets_form_go = csp_update({"form-action": f"{parts.scheme}://{parts.netloc}"})
    response = lets_form_go(lambda request: render(request, "sessions_app/sso/logged_out.html", context))(request)
    assert isinstance(response, HttpResponse)  # noqa: S101 - for the type checker
    response["Cache-Control"] = "no-store"
    return response
