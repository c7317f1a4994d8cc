"""Shows times in the viewer's own zone."""

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

ZONES = frozenset(zoneinfo.available_timezones())


class ViewerTimezoneMiddleware:
    """Activates the zone that the person has chosen (the cookie `zone`), else the browser's (the cookie `timezone`).

    Our JavaScript sets the second. Without both, times are in UTC.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request.COOKIES.get("zone") or request.COOKIES.get("timezone", "")
        if name not in ZONES:
            return self.get_response(request)
        with timezone.override(zoneinfo.ZoneInfo(name)):
            return self.get_response(request)
