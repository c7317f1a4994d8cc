"""Keeps what was entered in the wizard while somebody goes back and forth between its steps.

Which activity and resources were chosen is in the address (request_draft.py). Notes, ticket and start are not, because
addresses end up in the logs of web servers: they are in the browser's session on the server, under a key that is in the
address. So two windows do not mix.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import transaction
from django.http import HttpRequest

from sessions_app.permission import lock_account_row
from sessions_app.privileged.request_token import stored_session

KEY = "request_drafts"
MOST_DRAFTS = 5  # the oldest is forgotten
LONGEST = 4000  # characters of a value
DRAFT = re.compile(r"[A-Za-z0-9_-]{8}")

Entered = dict[str, Any]  # by the name of a field: its text, or for resources a list of texts


def new_draft() -> str:
    """Return a key for one request of this browser."""
    return secrets.token_urlsafe(6)


def entered(request: HttpRequest, draft: str) -> Entered:
    """Return what was entered under that key; empty if nothing was, or if it is forgotten."""
    found: Entered = request.session.get(KEY, {}).get(draft, {})
    return found


def remember(request: HttpRequest, person: AbstractUser, draft: str, values: Mapping[str, Any]) -> None:
    """Store the values beside those that were entered before. Raise SessionInterrupted after a logout."""
    short = {
        name: [text[:LONGEST] for text in value] if isinstance(value, list) else value[:LONGEST]
        for name, value in values.items()
    }
    _change(request, person, draft, {**entered(request, draft), **short})


def forget(request: HttpRequest, person: AbstractUser, draft: str) -> None:
    """Delete what was entered under that key."""
    if entered(request, draft):
        _change(request, person, draft, None)


def _change(request: HttpRequest, person: AbstractUser, draft: str, values: Entered | None) -> None:
    with transaction.atomic():
        lock_account_row(person)
        stored = stored_session(request)
        drafts: dict[str, Entered] = {key: each for key, each in stored.get(KEY, {}).items() if key != draft}
        if values is not None:
            drafts[draft] = values
        stored[KEY] = dict(list(drafts.items())[-MOST_DRAFTS:])
        try:
            stored.save(must_create=False)
        except UpdateError as error:
            raise SessionInterrupted("You were logged out while the request was being written.") from error
    request.session[KEY] = stored[KEY]
