"""The Django admin, where resources, activities, connection profiles, policies and people are managed."""

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from sessions_app.roles import is_administrator


class ConsoleAdminSite(admin.AdminSite):
    """Open to administrators; there is one login page, the console's."""

    site_header = "SessionAdmin administration"
    site_title = "SessionAdmin"
    index_title = "What sessions may do"
    site_url = "/"

    def has_permission(self, request: HttpRequest) -> bool:
        """Administrators only."""
        return request.user.is_active and is_administrator(request.user)

    def login(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponseBase:  # type: ignore[override]
        """The console's own login, which records and throttles."""
        return redirect_to_login(request.GET.get("next", request.path))
