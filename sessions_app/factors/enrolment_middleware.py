"""Lets a login that must set up a second factor reach nothing else, whatever address is asked for.

Every view is closed to it, except those named here and those that are open to strangers. So a new page, a fragment, a
download and the administration are closed without being named anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from sessions_app.logins.backend import current_login

# To set a factor up may need a fresh one first, which some people can give at their provider only.
OPEN = frozenset(
    {"factors", "factor_app_add", "factor_key_add", "factor_key_options", "confirm", "sso_confirm", "logout"}
)
PROBLEM = "Set up a second factor first. Nothing was done."


class EnrolmentMiddleware:
    """Redirects a login that must enrol to the page where it can."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Return the way to the set-up, or None to let the view run."""
        if not getattr(view, "login_required", True):
            return None
        login = current_login(request)
        match = request.resolver_match
        if login is None or not login.must_enrol or (match is not None and match.view_name in OPEN):
            return None
        if request.htmx:  # type: ignore[attr-defined] # set by django-htmx's middleware
            return HttpResponseClientRedirect(reverse("factors"))
        if request.headers.get("Accept", "").startswith("application/json"):
            return JsonResponse({"problem": PROBLEM}, status=403)
        return redirect("factors")
