"""The page Health for administrators, with the results of `sessionadmin doctor`."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from activity.listing import badge
from activity.viewer import viewer
from sessions_app.pages.health_dot import dot
from sessions_app.roles import is_administrator
from sessions_app.worker.health import checks, hosts
from sessions_app.worker.health.findings import Finding, Grade

ALL_HOSTS_SECONDS = 20.0  # seconds for all hosts, because a person waits for the page
# The arguments of badge(). A function, because addresses of static files are not known at import.
BADGES = {
    Grade.OK: ("success", "Works", "check"),
    Grade.WARNING: ("warning", "Look at it", "warning"),
    Grade.ERROR: ("error", "Wrong", "error"),
}


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Show all checks that need no connection to a host."""
    _require_administrator(request)
    return _page(request, checks.run_quick_checks(), with_hosts=False)


@require_POST
def health_hosts(request: HttpRequest) -> HttpResponse:
    """Show all checks with a test of every host, which is logged."""
    _require_administrator(request)
    return _page(
        request, checks.run_quick_checks() + hosts.check_hosts(viewer(request), ALL_HOSTS_SECONDS), with_hosts=True
    )


def _require_administrator(request: HttpRequest) -> None:
    if not is_administrator(viewer(request)):
        raise PermissionDenied("Only administrators look at the health of the system.")


def _page(request: HttpRequest, found: list[Finding], *, with_hosts: bool) -> HttpResponse:
    dot.keep(found)
    context = {
        "heading": "Health",
        "findings": [(badge(*BADGES[one.grade]), one) for one in sorted(found, key=lambda one: one.grade == Grade.OK)],
        "errors": sum(one.is_error for one in found),
        "with_hosts": with_hosts,
        "now": timezone.now(),
    }
    return render(request, "sessions_app/pages/health.html", context)
