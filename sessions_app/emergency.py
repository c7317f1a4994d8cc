"""What ends or stops something outlasts a passing outage from its first question on: who asks.

The flows try again by themselves (activity/again.py), but who is logged in is read before any of them is reached.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse

from activity.again import one_patience, tried_again
from activity.outage import Outage
from sessions_app.error_pages import unavailable
from sessions_app.limits import ALWAYS

logger = logging.getLogger(__name__)

NOT_DONE = {
    "account_cut": "Nothing was cut: the account is not locked, its sessions and logins go on. If it cannot wait, stop "
    "the gateway and the web server, or close the account on the host.",
    "account_lock": "The account was not locked: its sessions and logins go on.",
    "resource_lock": "The resource was not closed to new sessions.",
    "logout": "You are not logged out.",
    "logins_logout": "Nobody was logged out.",
    "logins_logout_others": "Nobody was logged out.",
}
SESSIONS_NOT_DONE = {
    "lock": "No session was locked.",
    "unlock": "No session was unlocked.",
    "terminate": "No session was terminated.",
    "end": "No session was ended.",
    "extend": "No session was extended.",
}


class Emergency:
    """Middleware: reads who asks, again and again for 45 seconds, before such a form is looked at. Must stand behind
    AuthenticationMiddleware and before the one that sends strangers to the log-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with one_patience():  # for this and for what the flow tries
            return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]) -> HttpResponse | None:
        """Answer only when the database stays away: nothing was begun then."""
        name = request.resolver_match.url_name if request.resolver_match is not None else None
        if request.method != "POST" or name not in ALWAYS:
            return None
        try:
            _who_asks(request)
        except (DatabaseError, InterfaceError) as error:
            outage = Outage.of(error)
            if outage is None:
                raise
            not_done = NOT_DONE.get(name) or SESSIONS_NOT_DONE.get(str(kwargs.get("verb")), "Nothing was changed.")
            logger.warning("Who asks for %s cannot be read. %s", name, not_done, exc_info=error)
            return unavailable(request, outage, not_done)
        return None


@tried_again
def _who_asks(request: HttpRequest) -> bool:
    """Load the person of the request, who is kept there."""
    return bool(request.user.is_authenticated)
