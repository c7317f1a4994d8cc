"""Connects a request to its login session: the session key, the time of the last use, and the address for the log.

It stands after Django's SessionMiddleware and before AuthenticationMiddleware, which a system check verifies.
"""

import logging
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse

from activity import log
from activity.outage import Outage
from activity.patience import waiting_at_most
from sessions_app.devices import cookie
from sessions_app.login_rules.rules import Refusal
from sessions_app.logins import backend, device, service
from sessions_app.logins.environ import PERSON
from sessions_app.logins.models import LoginSession

logger = logging.getLogger(__name__)


class LoginSessionMiddleware:
    """Provides the session key for the query of backend.py, and stores the last use at most once a minute."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not (request.session.session_key or "x").isalnum():
            # Django queries for the value of the cookie, and PostgreSQL refuses a NUL.
            request.session = type(request.session)()
        address = service.request_ip(request)
        here = backend.RequestLogin(request.session.session_key or "", address)
        token = backend.request_login.set(here)
        try:
            with log.coming_from(address, here.login_id):
                response = self.get_response(request)
                if here.broken is not None:
                    _end(*here.broken)
                if here.login is not None and here.login.is_live:
                    _touch(here.login, request)
                    key = request.session.session_key
                    if key and key != here.session_key:
                        service.rekey(here.login, key)
        finally:
            backend.request_login.reset(token)
        if here.device_cookie:
            cookie.write(response, here.device_cookie)
        if here.login is not None:
            if here.login.is_live:
                request.META[PERSON] = str(here.login.user_id)
            # After a logout no cache may show what the person saw (OWASP ASVS 5, 14.3.2).
            response.setdefault("Cache-Control", "no-store")
        if response.get("Content-Type", "").startswith("text/html"):
            response.setdefault("Accept-CH", device.ACCEPT_CH)
        return response


def _end(login: LoginSession, refusal: Refusal) -> None:
    """End a login session that a login rule does not allow. It is refused at each request, also if this fails."""
    try:
        with waiting_at_most(service.WAIT_SECONDS):
            service.end_by_rule(login, refusal)
    except (DatabaseError, InterfaceError) as error:
        if Outage.of(error) is None:
            raise
        logger.warning("Login session %s is refused by a login rule and was not ended", login.pk, exc_info=error)


def _touch(login: LoginSession, request: HttpRequest) -> None:
    """Store the last use. Go on without it if the database cannot be written, because the response is already made."""
    try:
        service.touch(login, request)
    except (DatabaseError, InterfaceError) as error:
        if Outage.of(error) is None:
            raise
        logger.warning("The last access of login session %s was not noted", login.pk, exc_info=error)
