"""Ends login sessions when their provider says so, as OpenID Connect Back-Channel Logout 1.0 has it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from sessions_app.logins import service
from sessions_app.logins.models import EndReason, LoginSession
from sessions_app.sso import metadata
from sessions_app.sso.models import LogoutToken, ProviderLogin
from sessions_app.sso.providers import OidcProvider
from sessions_app.sso.tokens import SKEW, InvalidToken, check_logout_token, header_of

KEPT = dt.timedelta(hours=1)  # a token counts for a few minutes; then its `jti` cannot come again


@sensitive_variables("token")
def end_logins(provider: OidcProvider, token: str) -> int:
    """End the login sessions that a logout token names, and return how many were ended.

    A token counts once. Raise InvalidToken, or ProviderUnavailable if the keys of the provider cannot be fetched.
    """
    claims = check_logout_token(
        token,
        metadata.keys_for(provider, header_of(token)),
        issuer=provider.issuer,
        client_id=provider.client_id,
        accepts_untyped=provider.accepts_untyped_logout,
    )
    used = LogoutToken(
        digest=hashlib.sha256(json.dumps([provider.issuer, claims["jti"]]).encode()).hexdigest(),
        issuer=provider.issuer,
        subject=claims.get("sub", ""),
        session_id=claims.get("sid", ""),
    )
    with transaction.atomic():
        LogoutToken.objects.filter(received_at__lt=timezone.now() - KEPT).delete()
        try:
            with transaction.atomic():
                used.save()
        except IntegrityError as error:
            raise InvalidToken("the token was used before (jti)") from error
        named = LoginSession.objects.live().filter(by_provider__issuer=used.issuer).select_related("user")
        if used.session_id:
            named = named.filter(by_provider__session_id=used.session_id)
        if used.subject:
            named = named.filter(by_provider__subject=used.subject)
        return sum(service.end(login, EndReason.PROVIDER, actor=None) for login in named)


def was_logged_out_meanwhile(begun: ProviderLogin, issued_at: float | None) -> bool:
    """Return whether the provider ended this login before it had quite begun here.

    That is the case for its very session, and for all sessions of the person if the ID token is older than the logout.
    """
    tokens = LogoutToken.objects.filter(issuer=begun.issuer)
    named = Q(session_id=begun.session_id, subject__in=("", begun.subject)) if begun.session_id else Q(pk=None)
    if issued_at is not None:
        since = dt.datetime.fromtimestamp(issued_at, dt.UTC) - dt.timedelta(seconds=SKEW)
        everywhere = Q(session_id="", subject=begun.subject)
        return tokens.filter(named | everywhere & Q(received_at__gte=since)).exists()
    return tokens.filter(named).exists()
