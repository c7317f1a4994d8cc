"""A form that is sent twice asks once: each review page carries a token, kept in the browser's session on the server
together with what came of it."""

from __future__ import annotations

import secrets
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

KEY = "request_tokens"
KEPT = 20  # review pages of one browser that may be open at the same time


def issue(request: HttpRequest) -> str:
    """A new token for one review page."""
    token = secrets.token_urlsafe(16)
    tokens: dict[str, list[int] | None] = request.session.get(KEY, {})
    kept = dict(list(tokens.items())[-(KEPT - 1) :])
    request.session[KEY] = {**kept, token: None}
    return token


def claim(request: HttpRequest, token: str) -> list[int] | None:
    """What came of this token before: session ids, None when it is fresh. Raises KeyError for a token not ours.

    Call it in a transaction, after `hold_account(person)`: another submit of the same person waits there until that
    transaction ends, and reads here what it kept.
    """
    tokens = _stored(request).get(KEY, {})
    answer: list[int] | None = tokens[token]
    return answer


def keep(request: HttpRequest, token: str, session_ids: list[int]) -> None:
    """Note what came of the token, in the same transaction as claim()."""
    stored = _stored(request)
    stored[KEY] = {**stored.get(KEY, {}), token: session_ids}
    stored.save(must_create=False)
    request.session[KEY] = stored[KEY]


def _stored(request: HttpRequest) -> SessionBase:
    """The session as it is now, not as this request read it at its start."""
    engine: Any = import_module(settings.SESSION_ENGINE)
    store: SessionBase = engine.SessionStore(request.session.session_key)
    return store
