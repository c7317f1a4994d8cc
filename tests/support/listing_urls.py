"""A list page for testing the table machinery by itself: login sessions, with a toolbar and one action. A fixture
sets it as ROOT_URLCONF; the console's own addresses are here too, so that every page can be rendered."""

from __future__ import annotations

import json
from pathlib import Path

import django_filters
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import path

from activity.listing import Card, Column, Table, badge, link, list_response
from sessionadmin.urls import urlpatterns as console
from sessions_app.logins.models import LoginSession

TEMPLATES = str(Path(__file__).parent / "templates")
BUILT = "198.51.100.7"  # the address of builders.make_login; leaves out the browsers that run the tests
handled: list[tuple[str, list[str]]] = []  # what the action was asked to do


class LoginFilters(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """One filter is enough to test that filters work."""

    device = django_filters.ChoiceFilter(choices=[("Desktop", "Desktop"), ("Mobile", "Mobile")])

    class Meta:
        model = LoginSession
        fields = ["device"]


def refusals(row: LoginSession) -> dict[str, str]:
    return {} if row.ended_at is None else {"act": f"{row.user_name} is logged out already"}


def table(page_size: int = 100) -> Table:
    return Table(
        name="test-logins",
        columns=(
            Column("user", "User", "user_name", 220),
            Column("city", "City", "city", cell=lambda row: link("/somewhere/", row.city)),
            Column("device", "Device", "device", cell=lambda row: badge("info", row.device, "desktop")),
            Column("radius", "Radius", "accuracy_km", is_number=True),
            Column("ended", "Ended", "ended_at", 180),
            Column("created", "Logged in", "created_at", 180),
            Column("agent", "User agent", "user_agent", sort="", is_hidden=True),
        ),
        default_sort="user",
        noun="login",
        nouns="logins",
        search=("user_name", "city"),
        empty_text="Nobody has logged in.",
        is_selectable=True,
        opens="city",
        card=Card("user", "device", "city", "created"),
        grows=("radius",),
        flexible=("city", "device"),
        row_name=lambda row: f"{row.user_name} in {row.city}",
        refusals=refusals,
        page_size=page_size,
    )


def show(request: HttpRequest) -> HttpResponseBase:
    return list_response(
        request,
        table(int(request.GET.get("size", 100))),
        LoginSession.objects.filter(ip=BUILT),
        "testing/logins.html",
        filterset=LoginFilters,
        extra=("size",),
        context={"heading": "Logins under test"},
        csv_name="test-logins",
    )


def act(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        handled.append((request.POST["reason"], request.POST.getlist("ids")))
        if not request.POST["reason"]:
            return render(request, "testing/act.html", {"ids": request.POST.getlist("ids"), "error": True}, status=422)
        return HttpResponse(
            status=204, headers={"HX-Trigger": json.dumps({"done": {"messages": [["success", "Acted."]]}})}
        )
    return render(request, "testing/act.html", {"ids": request.GET.getlist("ids")})


urlpatterns = [path("test/logins/", show, name="test_logins"), path("test/act/", act, name="test_act"), *console]
handler400 = "sessions_app.error_pages.bad_request"
handler403 = "sessions_app.error_pages.forbidden"
handler404 = "sessions_app.error_pages.not_found"
