"""Finds the bearer token that a request brings, and refuses requests without a good one."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import NoReturn

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from scim2_models import SCIMException, UnauthorizedException

from activity import limits, log
from activity.models import Level
from activity.verbs import Verb
from sessions_app.logins import service, throttle
from sessions_app.scim.models import ScimToken
from sessions_app.scim.tokens import hash_token

NOTE_EVERY = dt.timedelta(minutes=1)  # how exact "last used" is
WINDOW = 60  # seconds of SCIM_REQUESTS_LIMIT
MOST_WRONG = 10  # wrong tokens from one address within WRONG_WINDOW that are answered, and logged, each by itself
WRONG_WINDOW = 15 * 60  # seconds


class TooManyRequests(SCIMException):
    """The client has to wait for `retry_after` seconds."""

    status = 429

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail=detail)
        self.retry_after = retry_after


def authenticate(request: HttpRequest) -> ScimToken:
    """Return the token that the request brings, and note its use.

    Raise UnauthorizedException, or TooManyRequests for too many requests or too many wrong tokens. A right token is
    never kept out by wrong ones from the same address.
    """
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() != "bearer" or not value:
        raise UnauthorizedException(detail="Send a token in the header Authorization: Bearer.")
    token = ScimToken.objects.filter(token_hash=hash_token(value)).first()
    if token is None or token.revoked_at is not None or token.is_expired:
        _refuse(request, token)
    wait = limits.count("scim", token.pk, 1, settings.SCIM_REQUESTS_LIMIT, WINDOW)
    if wait is not None:
        raise TooManyRequests(f"More than {settings.SCIM_REQUESTS_LIMIT} requests in a minute. Nothing was done.", wait)
    now = timezone.now()
    is_due = Q(last_used_at=None) | Q(last_used_at__lt=now - NOTE_EVERY)
    if token.last_used_at is None or token.last_used_at < now - NOTE_EVERY:
        ip = service.request_ip(request) or None
        ScimToken.objects.filter(is_due, pk=token.pk).update(last_used_at=now, last_used_ip=ip)
    return token


def _refuse(request: HttpRequest, token: ScimToken | None) -> NoReturn:
    """Count and log a wrong token, and raise. What comes after MOST_WRONG of them is refused without an entry."""
    network = throttle.network(service.request_ip(request))
    who = int(hashlib.sha256(network.encode()).hexdigest()[:12], 16)
    wait = limits.count("scim-wrong", who, 1, MOST_WRONG, WRONG_WINDOW)
    if wait is not None:
        raise TooManyRequests("Too many requests with wrong tokens.", wait)
    if token is None:
        why = "SCIM request with an unknown token"
    else:
        why = f"SCIM request with the token “{token}”, which {'is revoked' if token.revoked_at else 'has expired'}"
    log.record(Verb.SCIM_REFUSED, why, target=token, level=Level.WARNING)
    raise UnauthorizedException(detail="This token is not known, is revoked or has expired.")
