"""The cookie by which a browser is known again. It opens nothing: it only says which device a login comes from.

It is signed, and names a random id for each person who has logged in with this browser, so that nobody's id says
anything about somebody else. It is set with each completed login, and its ids stay the same: a new one with each login
would make two tabs that log in at the same moment look like two devices.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase

SALT = "sessions_app.devices.cookie"
SECONDS = 400 * 86400  # the longest that browsers keep a cookie
MOST_PEOPLE = 5  # who share one browser; the one who has not logged in for longest is dropped first


def ids_of(request: HttpRequest) -> dict[str, str]:
    """Return the ids in the request's cookie, by the number of the account; none if the cookie is not ours."""
    try:
        ids = signing.loads(request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=SALT, max_age=SECONDS)
    except signing.BadSignature:
        return {}
    return ids if isinstance(ids, dict) else {}


def with_id(ids: Mapping[str, str], user_id: int, device_id: str) -> str:
    """Return the value of the cookie with the id of this person, who has just logged in."""
    others = [(person, value) for person, value in ids.items() if person != str(user_id)]
    return signing.dumps(dict([*others, (str(user_id), device_id)][-MOST_PEOPLE:]), salt=SALT)


def write(response: HttpResponseBase, value: str) -> None:
    """Keep the cookie in the browser, where no script can read it."""
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        value,
        max_age=SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def new_id() -> str:
    return secrets.token_urlsafe(24)


def hash_id(user_id: int, device_id: str) -> str:
    """Return the SHA-256 of a person's id in hex. An id has 192 random bits, so it needs no salt."""
    return hashlib.sha256(f"{user_id}:{device_id}".encode()).hexdigest()
