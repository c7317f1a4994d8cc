"""The code flow of OpenID Connect with PKCE: the address that begins it, and the exchange of the code that ends it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import secrets
import time
from typing import Any, Self
from urllib.parse import quote, urlencode

from django.views.decorators.debug import sensitive_variables

from activity.text import plain
from sessions_app.sso import metadata
from sessions_app.sso.errors import AnswerRefused, ProviderUnavailable
from sessions_app.sso.providers import OidcProvider
from sessions_app.sso.tokens import InvalidToken, check_id_token, header_of


@dataclasses.dataclass(frozen=True)
class Transaction:
    """What belongs to one login at a provider, and is kept in the session of the browser that began it.

    `must_authenticate` says that the provider has to ask for a factor now, whoever is logged in there.
    """

    nonce: str
    verifier: str = dataclasses.field(repr=False)
    redirect_uri: str
    began_at: float
    must_authenticate: bool = False

    @classmethod
    def begin(cls, redirect_uri: str, *, must_authenticate: bool = False) -> Self:
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        return cls(nonce, verifier, redirect_uri, time.time(), must_authenticate)


@dataclasses.dataclass(frozen=True)
class Tokens:
    """The ID token and its claims, after all checks."""

    claims: dict[str, Any]
    id_token: str = dataclasses.field(repr=False)


def authorization_url(provider: OidcProvider, transaction: Transaction, state: str) -> str:
    """Return the address at the provider where the person logs in. Raise ProviderUnavailable."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(transaction.verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": transaction.redirect_uri,
        "scope": " ".join(provider.scopes),
        "state": state,
        "nonce": transaction.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    if transaction.must_authenticate:
        query |= {"prompt": "login", "max_age": "0"}
    if provider.second_factor_acr:
        query["acr_values"] = " ".join(sorted(provider.second_factor_acr))
    address = metadata.discover(provider)["authorization_endpoint"]
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"


def check_answering_issuer(provider: OidcProvider, issuer: str) -> None:
    """Raise AnswerRefused if the answer names another provider than the one that was asked (RFC 9207)."""
    promised = metadata.discover(provider).get("authorization_response_iss_parameter_supported") is True
    if (issuer or promised) and issuer != provider.issuer:
        raise AnswerRefused(provider.name, "the answer came from another issuer (iss)")


@sensitive_variables()
def exchange(provider: OidcProvider, transaction: Transaction, code: str) -> Tokens:
    """Exchange the code for tokens, and return the claims that passed every check.

    Raise ProviderUnavailable, or AnswerRefused if the code or the token was not accepted.
    """
    answer = _token_answer(provider, transaction, code)
    id_token, access_token = answer.get("id_token"), answer.get("access_token")
    if not isinstance(id_token, str) or not isinstance(access_token, str):
        raise AnswerRefused(provider.name, "it gave no ID token")
    try:
        claims = check_id_token(
            id_token,
            metadata.keys_for(provider, header_of(id_token)),
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=transaction.nonce,
            access_token=access_token,
            trusted_audiences=provider.trusted_audiences,
            authenticated_after=transaction.began_at if transaction.must_authenticate else None,
        )
    except InvalidToken as error:
        raise AnswerRefused(provider.name, f"ID token: {error}") from error
    if provider.asks_userinfo:
        claims = _with_userinfo(provider, claims, access_token)
    return Tokens(claims, id_token)


@sensitive_variables()
def _token_answer(provider: OidcProvider, transaction: Transaction, code: str) -> dict[str, Any]:
    document, secret = metadata.discover(provider), provider.client_secret()
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": transaction.redirect_uri,
        "code_verifier": transaction.verifier,
    }
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    auth = None
    if "client_secret_basic" in methods:
        auth = (quote(provider.client_id, safe=""), quote(secret, safe=""))  # RFC 6749, 2.3.1
    else:
        form |= {"client_id": provider.client_id, "client_secret": secret}
    status, answer = metadata.post(provider, document["token_endpoint"], form, auth)
    if status >= 500:
        raise ProviderUnavailable(provider.name, f"its token endpoint answered {status}")
    if status != 200:
        error = plain(str(answer.get("error", "")), 60)
        raise AnswerRefused(provider.name, f"it did not accept the code or our client secret: {status} {error}".strip())
    return answer


@sensitive_variables("access_token")
def _with_userinfo(provider: OidcProvider, claims: dict[str, Any], access_token: str) -> dict[str, Any]:
    """Return the claims with those of the userinfo endpoint; what the ID token says wins."""
    address = metadata.discover(provider).get("userinfo_endpoint")
    if not address:
        raise ProviderUnavailable(provider.name, "it has no userinfo endpoint")
    more = metadata.get(provider, address, bearer=access_token)
    if more.get("sub") != claims["sub"]:
        raise AnswerRefused(provider.name, "userinfo is about somebody else")
    return {**more, **claims}
