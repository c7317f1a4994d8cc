"""Lets forms that stop something work through a short outage of the database, such as Lock, Terminate and Logout.

The flows try again by themselves (activity/retries.py). The user of the request is read before any flow runs, so the
middleware here tries that again too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse

from activity.outage import Outage
from activity.retries import retry_while_unavailable, share_retry_time
from sessions_app.error_pages import unavailable
from sessions_app.request_limits import NEVER_LIMITED

logger = logging.getLogger(__name__)

NOT_DONE = {
    "account_cut": "Nothing was cut: the account is not locked, its sessions and logins go on. If it cannot wait, stop "
    "the gateway and the web server, or close the account on the host.",
    "account_lock": "The account was not locked: its sessions and logins go on.",
    "account_unlock": "The account is still locked.",
    "resource_lock": "The resource was not closed to new sessions.",
    "resource_unlock": "The resource is still closed to new sessions.",
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


class OutageRetryMiddleware:
    """Middleware that reads the user of such a request again and again, for up to 45 seconds.

    It stands after AuthenticationMiddleware and before the middleware that redirects to the login page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with share_retry_time():  # one time limit for the retries here and in the flow
            return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]) -> HttpResponse | None:
        """Return an error page if the database cannot be read in time, before anything was begun; else None."""
        name = request.resolver_match.url_name if request.resolver_match is not None else None
        if request.method != "POST" or name not in NEVER_LIMITED:
            return None
        try:
            _who_asks(request)
        except (DatabaseError, InterfaceError) as error:
            outage = Outage.of(error)
            if outage is None:
                raise
            not_done = NOT_DONE.get(name) or SESSIONS_NOT_DONE.get(str(kwargs.get("verb")), "Nothing was changed.")
            logger.warning("The database cannot say who asks for %s. %s", name, not_done, exc_info=error)
            return unavailable(request, outage, not_done)
        return None


@retry_while_unavailable
def _who_asks(request: HttpRequest) -> bool:
    """Load the user of the request, and return whether somebody is logged in. Django keeps the user in the request."""
    return bool(request.user.is_authenticated)
