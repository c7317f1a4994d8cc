"""The Django admin, where resources, activities, connection profiles, policies and people are managed."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from activity.typed import LONGEST_IN_ADDRESS, Unreadable, refuse_unreadable_address, typed
from sessions_app.roles import is_administrator

LONGEST_SEARCH = 4000  # characters; Django's own pages look for all of it in every column


class ConsoleAdminSite(admin.AdminSite):
    """The admin for administrators. Its login page is that of the console."""

    site_header = "SessionAdmin administration"
    site_title = "SessionAdmin"
    index_title = "What sessions may do"
    site_url = "/"
    enable_nav_sidebar = False  # our own links stand there (templates/admin/base_site.html)

    def has_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and is_administrator(request.user)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Tell people who are logged in without being administrators, instead of asking them to log in again."""
        guarded = super().admin_view(view, cacheable)

        def for_administrators(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied("The administration is open to administrators.")
            refuse_unreadable_address(request.GET, LONGEST_SEARCH)
            if "" in (request.GET.get(TO_FIELD_VAR), request.POST.get(TO_FIELD_VAR)):
                raise Unreadable("It names objects by no field.")  # Django would look for one without a name
            return guarded(request, *args, **kwargs)

        return update_wrapper(for_administrators, guarded)

    def password_change(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> Any:
        """Redirect to the console's own page, which says how many other browsers it logged out."""
        return redirect("password_change")

    @login_not_required
    def login(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponseBase:  # type: ignore[override]
        """Redirect to the console's own login, which records and throttles."""
        index = reverse("admin:index", current_app=self.name)
        if request.user.is_authenticated:
            return redirect(index)
        return redirect_to_login(typed(request.GET, "next", LONGEST_IN_ADDRESS) or index)
