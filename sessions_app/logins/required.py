"""Strangers are sent to the login page, HTMX requests of an open page included."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django_htmx.http import HttpResponseClientRedirect


class LoginRequired(LoginRequiredMiddleware):
    """As Django's; an HTMX request moves the whole page to the login, and comes back to the page it was on."""

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponse:  # type: ignore[override]
        """Redirect to the login page."""
        if not request.htmx:  # type: ignore[attr-defined]
            return super().handle_no_permission(request, view_func)
        here = urlsplit(request.htmx.current_url_abs_path or "/")  # type: ignore[attr-defined]
        to_login = redirect_to_login(
            here.geturl(), self.get_login_url(view_func), self.get_redirect_field_name(view_func)
        )
        return HttpResponseClientRedirect(to_login.url)
