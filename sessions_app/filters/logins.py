"""Filters of the list of login sessions: user, country, device, live or ended."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.urls import reverse_lazy

from sessions_app.models import LoginSession
from sessions_app.roles import sees_everything

DEVICES = [(name, name) for name in ("Desktop", "Mobile", "Tablet", "TV", "Bot", "Other")]
STATES = [("live", "Live"), ("ended", "Ended"), ("all", "Live and ended")]
NEWEST = 100  # live rows that suggestions are taken from
MOST_SUGGESTIONS = 20  # of users; more are looked up while somebody types (activity/filters.py)
LOOK_UP = {
    "autocomplete": "off",
    "hx-get": reverse_lazy("activity_users"),
    "hx-trigger": "input changed delay:200ms",
    "hx-target": "#user-list",
    "hx-swap": "innerHTML",
    "hx-push-url": "false",
    "hx-sync": "this:replace",
}


class LoginFilters(django_filters.FilterSet):  # type: ignore[misc]  # the package has no types
    """Live ones, unless the URL says otherwise.

    User and country are typed, with suggestions from the live rows: a menu of every value in millions of ended rows
    would be read through on each view.
    """

    user = django_filters.CharFilter(field_name="user_name", lookup_expr="iexact", label="User", max_length=150)
    country = django_filters.CharFilter(method="in_country", label="Country", max_length=120)
    device = django_filters.ChoiceFilter(choices=DEVICES, empty_label="Any device", label="Device")
    state = django_filters.ChoiceFilter(choices=STATES, empty_label=None, method="unchanged", label="State")

    class Meta:
        model = LoginSession
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not sees_everything(self.request.user):
            del self.filters["user"]
        for name in self.suggestions_of:
            if name in self.filters:
                more = LOOK_UP if name == "user" else {}
                self.filters[name].extra["widget"] = forms.TextInput({"list": f"{name}-list", "size": 14, **more})

    suggestions_of = {"user": "user_name", "country": "country"}

    @property
    def suggestions(self) -> dict[str, list[str]]:
        """For each typed filter what the newest live rows hold, in order. Not all of them: there can be thousands, and
        each page would carry them."""
        live = LoginSession.objects.visible_to(self.request.user).live().order_by("-last_access_at", "-pk")
        rows = live.values(*self.suggestions_of.values())[:NEWEST]
        return {
            f"{name}-list": sorted(list(dict.fromkeys(row[field] for row in rows if row[field]))[:MOST_SUGGESTIONS])
            for name, field in self.suggestions_of.items()
            if name in self.filters
        }

    def in_country(self, queryset: QuerySet[LoginSession], name: str, value: str) -> QuerySet[LoginSession]:
        """By the country's name or its two letters, in any case."""
        return queryset.filter(Q(country__iexact=value) | Q(country_code__iexact=value))

    def unchanged(self, queryset: QuerySet[LoginSession], name: str, value: str) -> QuerySet[LoginSession]:
        """The state has a default, which filter_queryset applies."""
        return queryset

    def filter_queryset(self, queryset: QuerySet[LoginSession]) -> QuerySet[LoginSession]:
        """All filters, and the state, which is "live" where the URL has none."""
        found: QuerySet[LoginSession] = super().filter_queryset(queryset)
        state = self.form.cleaned_data.get("state") or "live"
        if state == "all":
            return found
        return found.filter(ended_at__isnull=state == "live")
