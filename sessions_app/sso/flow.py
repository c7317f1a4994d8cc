"""A trip to a provider and back: what it is for, kept in the session of the browser that began it."""

from __future__ import annotations

import dataclasses
import secrets
from typing import Any

from allauth.socialaccount.internal import statekit
from django.http import HttpRequest
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from sessions_app.sso.arrival import Arrival
from sessions_app.sso.errors import AnswerTooLate
from sessions_app.sso.oidc import Tokens, Transaction, authorization_url
from sessions_app.sso.providers import OidcProvider, Provider

LOGIN, LINK, CONFIRM = "login", "link", "confirm"
LATEST = 2**33  # seconds since 1970, in the 23rd century: what Python makes no time of is no time
STRANGER_SECONDS = 15 * 60  # how long the session of somebody who never comes back is kept


@dataclasses.dataclass(frozen=True)
class Trip:
    """Why somebody was sent to the provider, who they were, and where they go on."""

    purpose: str
    next_url: str
    user_id: int | None
    transaction: Transaction
    parked: str = ""  # a form that waits for the factor, sealed: sessions_app/factors/parking.py


@sensitive_variables("transaction", "state_id")
def begin(
    request: HttpRequest,
    provider: OidcProvider,
    purpose: str,
    next_url: str,
    *,
    must_authenticate: bool = False,
    parked: str = "",
) -> str:
    """Return the address at the provider to go to. Raise ProviderUnavailable.

    What the answer must fit stays in the session, for ten minutes and one answer. The state is a random key to it.
    """
    callback = request.build_absolute_uri(reverse("sso_callback", args=[provider.slug]))
    transaction = Transaction.begin(callback, must_authenticate=must_authenticate)
    state_id = secrets.token_urlsafe(32)
    address = authorization_url(provider, transaction, state_id)  # before anything is stored
    state = {"purpose": purpose, "next": next_url, "transaction": dataclasses.asdict(transaction), "parked": parked}
    keep(request, provider, state, state_id)
    return address


@sensitive_variables("state", "state_id")
def keep(request: HttpRequest, provider: Provider, state: dict[str, Any], state_id: str) -> None:
    """Keep in the session what the answer must fit, and who was logged in. A stranger's session ends soon."""
    user_id = request.user.pk if request.user.is_authenticated else None
    if user_id is None:
        request.session.set_expiry(STRANGER_SECONDS)
    statekit.stash_state(request, provider_id=provider.slug, state={**state, "user": user_id}, state_id=state_id)


@sensitive_variables("state")
def resume(request: HttpRequest, provider: OidcProvider, state_id: str) -> Trip:
    """Return the trip that an answer belongs to, and forget it. Raise AnswerTooLate.

    A trip that somebody began while logged in counts for the same person only.
    """
    state = statekit.unstash_state(request, provider_id=provider.slug, state_id=state_id)
    if state is None:
        raise AnswerTooLate(provider.name)
    request.session.set_expiry(None)
    trip = Trip(state["purpose"], state["next"], state["user"], Transaction(**state["transaction"]), state["parked"])
    if trip.purpose != LOGIN and trip.user_id != request.user.pk:
        raise AnswerTooLate(provider.name)
    return trip


def arrival_of(provider: OidcProvider, tokens: Tokens) -> Arrival:
    """Return who arrived, by the claims of a checked ID token."""
    claims = tokens.claims
    at = claims.get("auth_time")
    amr = claims.get("amr")
    methods = {one for one in amr if isinstance(one, str)} if isinstance(amr, list) else set()
    session_id = claims.get("sid")
    return Arrival(
        issuer=provider.issuer,
        subject=claims["sub"],
        claims=claims,
        session_id=session_id[:255] if isinstance(session_id, str) else "",
        id_token=tokens.id_token,
        authenticated_at=at if isinstance(at, int | float) and 0 <= at < LATEST else None,
        has_second_factor=bool(methods & provider.second_factor_amr)
        or str(claims.get("acr")) in provider.second_factor_acr,
    )
