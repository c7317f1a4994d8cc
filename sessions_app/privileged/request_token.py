"""Prevents that a form which is sent twice makes two requests.

Each review page has a token, and the browser's session on the server stores the result of each token. A token is signed
and not stored itself, so that pages which are opened at the same moment do not overwrite each other's tokens.
"""

from __future__ import annotations

import secrets
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core import signing
from django.http import HttpRequest

from sessions_app.logins.backend import current_login

KEY = "request_tokens"
SALT = "sessions_app.request_token"
MOST_USED_TOKENS = 20  # how many used tokens are stored with their results


def issue(request: HttpRequest) -> str:
    """Return a new token for one review page of this browser."""
    return signing.dumps([_browser(request), secrets.token_urlsafe(16)], salt=SALT)


def result_of(request: HttpRequest, token: str) -> list[int] | None:
    """Return the session ids that this token has made before; None for a new token.

    Raise KeyError for a token of another browser, and for one that is so old that its result may be deleted. Call it in
    a transaction after `lock_account_row(person)`: a second submit of the same person waits there until that
    transaction ends, and then reads its result here.
    """
    try:
        browser, _ = signing.loads(token, salt=SALT, max_age=settings.SESSION_COOKIE_AGE)
    except signing.BadSignature as error:
        raise KeyError(token) from error
    if browser != _browser(request):
        raise KeyError(token)
    used = _used_tokens(stored_session(request))
    if token in used["sent"]:
        answer: list[int] = used["sent"][token]
        return answer
    if _issued_at(token) <= used["forgotten"]:
        raise KeyError(token)
    return None


def store_result(request: HttpRequest, token: str, session_ids: list[int]) -> None:
    """Store the result of the token, in the same transaction as result_of().

    The oldest results are deleted, and every token that is not newer than they becomes invalid.
    """
    stored = stored_session(request)
    used = _used_tokens(stored)
    sent = sorted({**used["sent"], token: session_ids}.items(), key=lambda one: _issued_at(one[0]))
    forgotten = max([used["forgotten"], *(_issued_at(old) for old, _ in sent[:-MOST_USED_TOKENS])])
    stored[KEY] = {"sent": dict(sent[-MOST_USED_TOKENS:]), "forgotten": forgotten}
    stored.save(must_create=False)
    request.session[KEY] = stored[KEY]


def _browser(request: HttpRequest) -> int:
    """Return the number of the browser's login session, which stays the same when its session key changes."""
    login = current_login(request)
    return login.pk if login is not None else 0


def _issued_at(token: str) -> int:
    """Return the time in the signature, in seconds since 1970 (django.core.signing.TimestampSigner)."""
    return signing.b62_decode(token.split(":")[1])


def _used_tokens(stored: SessionBase) -> dict[str, Any]:
    used: dict[str, Any] = stored.get(KEY, {"sent": {}, "forgotten": 0})
    return used


def stored_session(request: HttpRequest) -> SessionBase:
    """Return the session as it is now in the store, and not as this request read it at its start."""
    engine: Any = import_module(settings.SESSION_ENGINE)
    store: SessionBase = engine.SessionStore(request.session.session_key)
    return store
