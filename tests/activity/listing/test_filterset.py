"""The fields of a filter form are rendered once for each value."""

from __future__ import annotations

import datetime as dt

import django_filters
import pytest
from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client

from activity.listing.filterset import KeptField, KeptFilterSet
from activity.models import LogEntry
from tests.support import pages


class Filters(KeptFilterSet):
    """One of each kind that lists have."""

    actor_name = django_filters.CharFilter(label="Who", max_length=20, widget=forms.TextInput({"list": "names"}))
    day = django_filters.DateFilter(method="on_day", label="Day", widget=forms.DateInput({"type": "date"}))
    level = django_filters.ChoiceFilter(choices=[(20, "Info"), (30, "<Warning>")], empty_label="Any", label="Level")

    class Meta:
        model = LogEntry
        fields: list[str] = []

    def on_day(self, queryset: object, name: str, value: dt.date) -> object:
        self.asked = value
        return queryset


@pytest.mark.parametrize("query", ["", "level=30", "level=20&actor_name=%3Cb%3E&day=2026-02-03", "level=99", "level="])
def test_a_kept_widget_is_what_django_writes(query: str) -> None:
    for _ in range(2):
        form = Filters(QueryDict(query), LogEntry.objects.none()).form
        form.full_clean()
        for name in form.fields:
            assert isinstance(form[name], KeptField)
            own = forms.boundfield.BoundField(form, form.fields[name], name)
            assert str(form[name]) == str(own)


def test_filters_that_were_asked_at_the_same_time_do_not_meet() -> None:
    one, other = (
        Filters(QueryDict(f"day=2026-02-0{day}"), LogEntry.objects.none(), request=object()) for day in (1, 2)
    )
    for filters in (one, other):
        assert not filters.qs
    assert (one.asked.day, other.asked.day) == (1, 2)
    del one.filters["level"]
    assert "level" in other.form.fields
    assert "level" in Filters(QueryDict(), LogEntry.objects.none()).form.fields


def test_a_filter_that_somebody_has_not_stays_with_those_who_have_it(client: Client, admin: User, alice: User) -> None:
    for person, has_filter in ((admin, True), (alice, False), (admin, True), (alice, False)):
        client.force_login(person)
        for address in ("/activity/", "/logins/"):
            page = pages.elements(client.get(address))
            assert (page.find(".//input[@name='user']") is not None) is has_filter, (person, address)
