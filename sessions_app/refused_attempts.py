"""Writes into the log what a person who is logged in was refused: pages, objects, deeds, and more than a limit allows.

It sees the answer of a view: 403, 404 for an object that is not theirs to see, and 429. What a flow refuses (errors.py)
counts too, also where the view answers it in another way, such as with a message on the next page. The same attempt is
one entry in 15 minutes, and nobody leaves more than MOST of them in that time. Strangers leave none: all they reach is
the login page, whose failures are limited and logged by the code that counts them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse

from activity.models import Level
from activity.once import record_once
from activity.outage import Outage
from activity.patience import waiting_at_most
from activity.text import plain
from activity.verbs import Verb
from sessions_app.errors import NotAllowed, collecting

MOST = 100
WAIT_SECONDS = 2.0  # for a busy SQLite database
PLAIN_PART = re.compile(r"[a-z0-9_-]{1,40}")  # what of an address can be no secret, such as the verb of a deed
REASON = "sessions_app.refused_attempts.reason"  # in request.META

logger = logging.getLogger(__name__)


class RefusedAttemptsMiddleware:
    """Middleware that records refusals. It stands after the one that knows the person, around all that may refuse."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with collecting() as refused:
            response = self.get_response(request)
        status = response.status_code
        if (status in (403, 404, 429) or (refused and request.method == "POST")) and request.resolver_match is not None:
            person = request.user
            if isinstance(person, AbstractUser):
                _record(request, person, status, refused if request.method == "POST" else [])
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Keep why the view refused it."""
        if isinstance(exception, PermissionDenied):
            request.META[REASON] = str(exception)


def _record(request: HttpRequest, person: AbstractUser, status: int, refused: list[NotAllowed]) -> None:
    """Write the entry. In an outage the person gets their answer, and the log of the web server has what is missing."""
    reasons = list(dict.fromkeys(one.message for one in refused))
    reason = " ".join(reasons) or request.META.get(REASON, "")
    what = f"{request.method} {_address(request)}"
    if status == 429:
        what, reason = "more requests", "They reached a limit of one person."
    elif status == 404:
        reason = "There is nothing that they may see."
    message = plain(f"{person.get_username()} was refused {what}. {reason or 'Nothing was changed.'}", 600)
    level = Level.INFO if status == 404 else Level.WARNING
    try:
        with waiting_at_most(WAIT_SECONDS):
            record_once(Verb.ACCESS_DENIED, message, actor=person, level=level, details={"status": status}, most=MOST)
    except (DatabaseError, InterfaceError) as error:
        outage = Outage.of(error)
        if outage is None:
            raise
        logger.error("Not in the activity log: %s %s: %s", message, outage.heading, plain(error))


def _address(request: HttpRequest) -> str:
    """Return the address without what may be a secret in it, such as a signed link."""
    match = request.resolver_match
    if match is None or all(PLAIN_PART.fullmatch(str(value)) for value in match.kwargs.values()):
        return request.path
    return f"/{match.route}"
