"""Answers 429 to a person who has reached a limit (activity/limits.py), and counts open live views."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest, HttpResponse

from activity import limits
from sessions_app.error_pages import too_many

# Views that end or stop something are never limited.
NEVER_LIMITED = frozenset(
    {
        "logout",
        "logins_logout",
        "logins_logout_others",
        "account_lock",
        "account_cut",
        "resource_lock",
        "session_action",
    }
)

LIMITED_USER = "sessionadmin.counted"


class RequestLimitMiddleware:
    """Middleware that counts the work for each person, and turns limits.TooMany into an error page.

    It stands after the middleware that loads the user.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        if (person := request.META.get(LIMITED_USER)) is not None:
            limits.requests.note(person, time.perf_counter() - began, settings.PAGE_REQUESTS_LIMIT)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Return an error page if the person has asked for too much in this minute, else None."""
        if not getattr(view, "login_required", True) or request.user.pk is None:
            return None
        # Stored here, because later the database may be gone or the person logged out.
        request.META[LIMITED_USER] = request.user.pk
        match = request.resolver_match
        if match is not None and match.url_name in NEVER_LIMITED:
            return None
        wait = limits.requests.refused(request.user.pk)
        if not wait:
            return None
        text = (
            f"Your pages asked the console for more than {settings.PAGE_REQUESTS_LIMIT} answers within a minute, where "
            f"slow ones count more. Nothing was changed. Go on in {wait} seconds; close pages that you do not need."
        )
        return too_many(request, text, wait)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return an error page if the view raised limits.TooMany, else None."""
        if isinstance(exception, limits.TooMany):
            return too_many(request, str(exception), exception.retry_after)
        return None


def hold_live_view(person: AbstractUser, token: str) -> None:
    """Count the live view with this token as open for a minute. Raise limits.TooMany if too many are open."""
    most: int = settings.LIVE_VIEWS_LIMIT
    if not limits.hold("live", person.pk, token, most):
        raise limits.TooMany(
            f"You watch {most} sessions live, which is as many as one person may at a time. Close one of them; a "
            "minute later another one opens.",
            retry_after=10,
        )
