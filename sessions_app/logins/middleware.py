"""Ties a request to its login session: which key it carries, when it was last seen, and its address for the log.

Must stand after Django's SessionMiddleware and before AuthenticationMiddleware (a system check says so).
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from activity import log
from sessions_app.logins import backend, device, recorder


class LoginSessionMiddleware:
    """One joined query loads user and login session (backend.py); at most one UPDATE a minute notes the access."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not (request.session.session_key or "x").isalnum():
            # Django asks the database for whatever the cookie holds, and PostgreSQL takes no NUL.
            request.session = type(request.session)()
        here = backend.Carried(request.session.session_key or "")
        token = backend.carried.set(here)
        try:
            with log.coming_from(recorder.request_ip(request)):
                response = self.get_response(request)
                if here.login is not None and here.login.is_live:
                    recorder.touch(here.login, request)
                    key = request.session.session_key
                    if key and key != here.session_key:
                        recorder.rekey(here.login, key)
        finally:
            backend.carried.reset(token)
        if here.login is not None:
            # What a person saw must not come back from a cache after they logged out (OWASP ASVS 5, 14.3.2).
            response.setdefault("Cache-Control", "no-store")
        if response.get("Content-Type", "").startswith("text/html"):
            response.setdefault("Accept-CH", device.ACCEPT_CH)
        return response
