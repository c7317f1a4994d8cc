"""Views of login sessions: the list, the map, and logging browsers out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import urlencode

from django.contrib import auth
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import DatabaseError, InterfaceError
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_safe

from activity.addresses import safe_next
from activity.listing import list_response
from activity.listing.response import is_fragment
from activity.outage import Outage
from activity.typed import LONGEST_IN_ADDRESS, typed
from activity.viewer import viewer
from sessions_app.errors import Refused
from sessions_app.logins import geolocation
from sessions_app.logins.backend import current_login
from sessions_app.logins.filters import LoginFilters
from sessions_app.logins.flows.logout import logout, logout_others
from sessions_app.logins.forms import LogoutForm
from sessions_app.logins.models import LoginSession
from sessions_app.logins.notices import MOST_SHOWN, shown_to
from sessions_app.logins.service import live_logins
from sessions_app.logins.tables import logins_queryset, logins_table, refusal
from sessions_app.logins.world_map import MapMarker, world_map_svg
from sessions_app.outcome import confirmation, outage_text, outcome
from sessions_app.roles import is_administrator

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 200
MOST_PLACES = 500
# What a confirmation on a page of its own says besides.
PAGE = {"heading": "Session Information", "back": reverse_lazy("logins"), "back_label": "Back to Session Information"}


@require_safe
def logins(request: HttpRequest) -> HttpResponseBase:
    """Show the list of login sessions, live ones unless the URL says otherwise."""
    me = viewer(request)
    return list_response(
        request,
        logins_table(me, current_login(request)),
        logins_queryset(me),
        "sessions_app/logins/logins.html",
        filterset=LoginFilters,
        csv_name="login-sessions",
        context={
            "heading": "Session Information",
            "geoip": geolocation.status(),
            "new_devices": shown_to(me, current_login(request))[:MOST_SHOWN],
        },
    )


@require_safe
def logins_map(request: HttpRequest) -> HttpResponse:
    """Show where the live login sessions are, as a part of the list's page or as a page of its own."""
    live = LoginSession.objects.visible_to(viewer(request)).live()
    fields = ("city", "region", "country", "country_code", "latitude", "longitude")
    located = live.filter(latitude__isnull=False, longitude__isnull=False)
    groups = located.values(*fields).annotate(count=Count("pk")).order_by("-count", "city", *fields)[:MOST_PLACES]
    markers = [_marker(geolocation.Place(**{name: group[name] for name in fields}), group["count"]) for group in groups]
    context = {
        "heading": "Map of live logins",
        "map": world_map_svg(markers),
        "places": markers,
        "nowhere": live.filter(latitude__isnull=True).count(),
    }
    name = "logins_map_results.html" if is_fragment(request) else "logins_map.html"
    response = render(request, f"sessions_app/logins/{name}", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _marker(where: geolocation.Place, count: int) -> MapMarker:
    """Return the marker of a place, which links to the list of its login sessions."""
    is_known = where.city != geolocation.UNKNOWN_CITY
    query = {"q": f"{where.city} {where.country}".strip()} if is_known else {"country": where.country_code}
    return MapMarker(
        where.label, where.latitude or 0.0, where.longitude or 0.0, count, f"{reverse('logins')}?{urlencode(query)}"
    )


@require_http_methods(["GET", "HEAD", "POST"])
def logins_logout(request: HttpRequest) -> HttpResponse:
    """Show a confirmation (GET), or log the chosen browsers out (POST)."""
    sent = request.POST if request.method == "POST" else request.GET
    next_url = safe_next(request, typed(sent, "next", LONGEST_IN_ADDRESS), reverse("logins"))
    chosen = _chosen(request, sent.getlist("ids"))
    if not chosen:
        return outcome(request, [("error", "Select a login session first. Nobody was logged out.")], next_url)
    form = LogoutForm(request.POST if request.method == "POST" else None, auto_id="logout-%s")
    if form.is_valid():
        return _log_out(request, chosen, next_url, form.cleaned_data["reason"])
    me, current = viewer(request), current_login(request)
    may_end_all = is_administrator(me)
    rows = [(login, refusal(login, viewer_id=me.pk, may_end_all=may_end_all)) for login in chosen]
    context = {
        "title": "Logout",
        "rows": rows,
        "possible": sum(not reason for _, reason in rows),
        "form": form if any(not reason and login.user_id != me.pk for login, reason in rows) else None,
        "has_current": current in chosen,
        "action_url": reverse("logins_logout"),
        **PAGE,
        "back": next_url,
    }
    status = 422 if form.is_bound else 200
    return confirmation(request, "sessions_app/logins/logins_logout.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def logins_logout_others(request: HttpRequest) -> HttpResponse:
    """Show a confirmation (GET), or log out all other browsers of the person (POST)."""
    me, current = viewer(request), current_login(request)
    if request.method == "POST":
        count = logout_others(me, current)
        sessions = "session" if count == 1 else "sessions"
        text = f"Logged out {count} other {sessions} of yours." if count else "You had no other sessions."
        return outcome(request, [("success", text)], reverse("logins"))
    context = {
        "title": "Logout",
        "possible": live_logins(me, but=current).count(),
        "action_url": reverse("logins_logout_others"),
        **PAGE,
    }
    return confirmation(request, "sessions_app/logins/logins_logout_others.html", context)


def _chosen(request: HttpRequest, ids: Sequence[str]) -> list[LoginSession]:
    """Return the login sessions with these ids, the current one last.

    Raise BadRequest for an invalid id, and Http404 if the person may not see one of them.
    """
    if len(ids) > MOST_AT_ONCE:
        raise BadRequest(f"At most {MOST_AT_ONCE} at once.")
    if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in ids):
        raise BadRequest("Not the number of a login session.")
    wanted = {int(text) for text in ids}
    found = list(logins_queryset(viewer(request)).filter(pk__in=wanted).select_related("user"))
    if len(found) < len(wanted):
        raise Http404
    current = current_login(request)
    return sorted(found, key=lambda login: (login == current, login.pk))


def _log_out(request: HttpRequest, chosen: Sequence[LoginSession], next_url: str, note: str) -> HttpResponse:
    me, current = viewer(request), current_login(request)
    if not is_administrator(me) and any(login.user_id != me.pk for login in chosen):
        raise PermissionDenied("Only administrators log other people out.")
    lines = []
    outage: Outage | None = None
    for login in chosen:
        where = f"{login.user_name} from {login.browser or 'a browser'} ({login.city})"
        if outage is not None:
            lines.append(("error", f"Not logged out: {where}. {outage_text(outage)}"))
            continue
        try:
            logout(me, login, note=note)
        except (DatabaseError, InterfaceError) as error:
            outage = Outage.of(error)
            if outage is None:
                raise
            logger.warning("%s was not logged out", login.user_name, exc_info=error)
            lines.append(("error", f"Not logged out: {where}. {outage_text(outage)}"))
        except Refused as refused:
            lines.append(("error", refused.message))
        else:
            lines.append(("success", f"Logged out {where}."))
    if current in chosen and outage is None:
        auth.logout(request)  # deletes the content of this browser's session
    pages = [reverse("login_detail", args=[login.pk]) for login in chosen]
    return outcome(request, lines, next_url, leaves_page=next_url in pages)
