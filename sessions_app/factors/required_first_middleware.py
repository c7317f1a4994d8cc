"""Lets a login that must change its password or set up a second factor reach nothing else.

Whatever address is asked for, every view is closed to it, except those named here and those that are open to
strangers. So a new page, a fragment, a download and the administration are closed without being named anywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from sessions_app.logins import initial_passwords
from sessions_app.logins.backend import current_login


@dataclasses.dataclass(frozen=True, slots=True)
class RequiredStep:
    """What a login has to do first: the page for it, the addresses that stay open, and the sentence for programs."""

    page: str
    open: frozenset[str]
    problem: str


# To do either may need a fresh factor first, which some people can give at their provider only.
ALWAYS_OPEN = frozenset({"confirm", "sso_confirm", "logout"})
CHANGE_PASSWORD = RequiredStep(
    "password_change",
    ALWAYS_OPEN | {"password_change", "factor_options"},
    "Change your password in the console first. Nothing was done.",
)
ENROL = RequiredStep(
    "factors",
    ALWAYS_OPEN | {"factors", "factor_app_add", "factor_key_add", "factor_key_options"},
    "Set up a second factor first. Nothing was done.",
)


class RequiredFirstMiddleware:
    """Redirects a login that has to do something first to the page where it can."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Return the way to what has to be done first, or None to let the view run."""
        if not getattr(view, "login_required", True):
            return None
        step, match = _required_step(request), request.resolver_match
        if step is None or (match is not None and match.view_name in step.open):
            return None
        if request.htmx:  # type: ignore[attr-defined] # set by django-htmx's middleware
            return HttpResponseClientRedirect(reverse(step.page))
        if request.headers.get("Accept", "").startswith("application/json"):
            return JsonResponse({"problem": step.problem}, status=403)
        return redirect(step.page)


def _required_step(request: HttpRequest) -> RequiredStep | None:
    login = current_login(request)
    if login is None:
        return None
    if initial_passwords.must_be_changed(request):
        return CHANGE_PASSWORD
    return ENROL if login.must_enrol else None
