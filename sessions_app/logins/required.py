"""Strangers are sent to the login page, HTMX requests of an open page included."""

from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRedirect


class LoginRequired(LoginRequiredMiddleware):
    """As Django's; an HTMX request moves the whole page to the login, and comes back to the page it was on. After a
    form that a stranger sent, the login leads to the start page: the form's address takes no visits."""

    def process_view(self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any) -> Any:
        """Ask who it is only where that matters: a load balancer's question must not need the database for it."""
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponse:  # type: ignore[override]
        """Redirect to the login page."""
        login_url = self.get_login_url(view_func)
        if request.htmx:  # type: ignore[attr-defined]
            to_login = redirect_to_login(_open_page(request), login_url, self.get_redirect_field_name(view_func))
            return HttpResponseClientRedirect(to_login.url)
        if request.method not in ("GET", "HEAD"):
            return redirect(login_url)
        return super().handle_no_permission(request, view_func)


def _open_page(request: HttpRequest) -> str:
    """The path of the page that the request was sent from; the start page where the header says none of ours."""
    try:
        return request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]
    except ValueError:  # it is no address: http://[
        return "/"
