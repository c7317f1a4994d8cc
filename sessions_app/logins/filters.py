"""Filters of the list of login sessions: user, country, device, how somebody signed in, and state."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet
from django.urls import reverse_lazy
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from activity.compiled_query import CompiledQuery
from activity.filters import AccountFilter, AccountFilterSet, options
from activity.names import name_now
from sessions_app.devices.models import RecognisedBy
from sessions_app.logins.models import LoginSession, LoginSessionQuerySet, Method, SecondFactor
from sessions_app.roles import sees_everything

DEVICES = [(name, name) for name in ("Desktop", "Mobile", "Tablet", "TV", "Bot", "SSH client", "Other")]
YES_NO = [("yes", "Yes"), ("no", "No")]
NO_FACTOR = "none"
STATES = [("live", "Live"), ("ended", "Ended"), ("all", "Live and ended")]
SUGGESTED_FIELDS = {"user": "user_now", "country": "country"}  # filters with suggestions, and where those come from
NEWEST_ROWS = 100  # live rows that suggestions are taken from
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


def _newest(logins: LoginSessionQuerySet) -> QuerySet[LoginSession, Any]:
    newest = logins.live().annotate(user_now=name_now()).order_by("-last_access_at", "-pk")
    return newest.values_list(*SUGGESTED_FIELDS.values())[:NEWEST_ROWS]


_newest_live = CompiledQuery(LoginSession, lambda: _newest(LoginSession.objects.all()))
_own_newest_live = CompiledQuery(
    LoginSession, lambda user_id: _newest(LoginSession.objects.filter(user_id=user_id)), user_id=int
)


class CountryFilter(django_filters.CharFilter):  # type: ignore[misc]  # the package has no types
    """Filters by the name of the country or its two letters, ignoring case."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Select the logins from that country."""
        return queryset.filter(self.condition(value, is_exact=True)) if value else queryset

    def condition(self, value: str, *, is_exact: bool) -> Q:
        """Return the condition for these logins."""
        return Q(country__folded_exact=value) | Q(country_code__folded_exact=value)


class AbroadFilter(django_filters.ChoiceFilter):  # type: ignore[misc]  # the package has no types
    """Filters by whether a login came from another country than usual (abroad.py)."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Select the logins from abroad, or all others."""
        return queryset.filter(is_abroad=value == "yes") if value else queryset


class NewDeviceFilter(django_filters.ChoiceFilter):  # type: ignore[misc]  # the package has no types
    """Filters by whether a login came from a device that the console did not know."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Select the logins from new devices, or all others."""
        if not value:
            return queryset
        is_new = Q(recognised_by=RecognisedBy.NEW)
        return queryset.filter(is_new if value == "yes" else ~is_new)


class TravelFilter(django_filters.ChoiceFilter):  # type: ignore[misc]  # the package has no types
    """Filters by whether a login came from further away than an aeroplane flies (travel.py)."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Select the logins from too far away, or all others."""
        return queryset.filter(travel_kmh__isnull=value != "yes") if value else queryset


class SecondFactorFilter(django_filters.ChoiceFilter):  # type: ignore[misc]  # the package has no types
    """Filters by the second step of the login, or by whether it had none."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Select the logins with that second factor; for “none” those that are known to have had none."""
        if value == NO_FACTOR:
            return queryset.filter(second_factor="").exclude(signed_in_with="")
        return queryset.filter(second_factor=value) if value else queryset


class LoginFilters(AccountFilterSet):
    """Shows live login sessions unless the URL says otherwise.

    User and country are typed, with suggestions from live rows. A menu of all values would have to read millions of
    ended rows for each page.
    """

    user = AccountFilter("user_id", is_whole=True, widget=forms.TextInput({"list": "user-list", "size": 14, **LOOK_UP}))
    country = CountryFilter(
        label="Country", max_length=120, widget=forms.TextInput({"list": "country-list", "size": 14})
    )
    abroad = AbroadFilter(choices=YES_NO, empty_label="Yes and no", label="From abroad")
    new_device = NewDeviceFilter(choices=YES_NO, empty_label="Yes and no", label="New device")
    travel = TravelFilter(choices=YES_NO, empty_label="Yes and no", label="Too far away")
    device = django_filters.ChoiceFilter(choices=DEVICES, empty_label="Any device", label="Device")
    signed_in = django_filters.ChoiceFilter(
        "signed_in_with", choices=Method.choices, empty_label="Any way", label="Signed in with"
    )
    second_factor = SecondFactorFilter(
        choices=[*SecondFactor.choices, (NO_FACTOR, "None")], empty_label="Any", label="Second factor"
    )
    state = django_filters.ChoiceFilter(choices=STATES, empty_label=None, method="unchanged", label="State")

    only_is = frozenset({"abroad", "new_device", "travel"})
    quick = (("abroad", "yes", "From abroad"), ("new_device", "yes", "New device"))

    class Meta:
        model = LoginSession
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not sees_everything(self.request.user):
            del self.filters["user"]

    @property
    def suggestions(self) -> SafeString:
        """Return a datalist for each typed filter, with sorted values of the newest live rows.

        It does not have all values, because there can be thousands.
        """
        person = self.request.user
        _, rows = _newest_live.rows() if sees_everything(person) else _own_newest_live.rows(user_id=person.pk)
        lists = []
        for place, name in enumerate(SUGGESTED_FIELDS):
            if name in self.filters:
                values = list(dict.fromkeys(row[place] for row in rows if row[place]))[:MOST_SUGGESTIONS]
                lists.append((f"{name}-list", options((value, "") for value in sorted(values))))
        return format_html_join("", '<datalist id="{}">{}</datalist>', lists)

    def unchanged(self, queryset: QuerySet[LoginSession], name: str, value: str) -> QuerySet[LoginSession]:
        """Return `queryset` as it is, because filter_queryset applies the state and its default."""
        return queryset

    def filter_queryset(self, queryset: QuerySet[LoginSession]) -> QuerySet[LoginSession]:
        """Apply all filters, and the state, which is "live" if the URL has none."""
        found: QuerySet[LoginSession] = super().filter_queryset(queryset)
        state = self.form.cleaned_data.get("state") or "live"
        if state == "all":
            return found
        return found.filter(ended_at__isnull=state == "live")
