"""Redirects requests without a login to the login page, also HTMX requests of an open page."""

from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRedirect


class HtmxLoginRequiredMiddleware(LoginRequiredMiddleware):
    """Django's LoginRequiredMiddleware, extended for HTMX.

    An HTMX request moves the whole page to the login page, and the person then returns to the page they were on. After
    a form that was sent without a login, the login leads to the start page, because the address of the form accepts no
    GET.
    """

    def process_view(self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any) -> Any:
        """Redirect to the login page if the view needs a login and there is none.

        Other views do not load the user, so that the health check of a load balancer does not need the database for it.
        """
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponse:  # type: ignore[override]
        """Return the redirect to the login page."""
        login_url = self.get_login_url(view_func)
        if request.htmx:  # type: ignore[attr-defined]
            to_login = redirect_to_login(_open_page(request), login_url, self.get_redirect_field_name(view_func))
            return HttpResponseClientRedirect(to_login.url)
        if request.method not in ("GET", "HEAD"):
            return redirect(login_url)
        return super().handle_no_permission(request, view_func)


def _open_page(request: HttpRequest) -> str:
    """Return the path of the page that sent the request; the start page if the header names no page of this host."""
    try:
        return request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]
    except ValueError:  # not an address, such as http://[
        return "/"
