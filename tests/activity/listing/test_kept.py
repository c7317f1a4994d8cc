"""What is the same each time is written once: parts of templates ({% kept %}) and the widgets of filters."""

from __future__ import annotations

import django_filters
import pytest
from django import forms
from django.contrib.auth.models import User
from django.http import QueryDict
from django.template import Context, Template, TemplateSyntaxError
from django.test import Client
from django.utils.safestring import mark_safe

from activity.listing.filterset import KeptField, QuickFilterSet
from activity.models import LogEntry
from activity.templatetags import kept
from tests.support import pages

LOAD = "{% load kept %}"


def written(template: Template, **values: object) -> str:
    return template.render(Context(values))


def test_a_part_is_written_once_for_the_same_values() -> None:
    seen = []
    template = Template(LOAD + "{% kept name=name %}Hello {{ name }}{% endkept %}")
    node = template.nodelist.get_nodes_by_type(kept.KeptNode)[0]
    write = node.nodelist.render
    node.nodelist.render = lambda context: seen.append(context["name"]) or write(context)  # type: ignore[func-returns-value]
    assert [written(template, name=name) for name in ("A", "B", "A")] == ["Hello A", "Hello B", "Hello A"]
    assert seen == ["A", "B"]


def test_what_stands_inside_sees_the_named_values_only() -> None:
    template = Template(LOAD + "{% kept here=page %}{{ here }}{{ page }}{{ user }}{{ csrf_token }}{% endkept %}")
    assert written(template, page="logs", user="alice", csrf_token="secret") == "logs"


def test_text_is_escaped_although_the_same_was_kept_as_html() -> None:
    template = Template(LOAD + "{% kept text=text %}{{ text }}{% endkept %}")
    assert written(template, text=mark_safe("<b>")) == "<b>"
    assert written(template, text="<b>") == "&lt;b&gt;"


def test_true_and_one_are_told_apart() -> None:
    template = Template(LOAD + "{% kept value=value %}{{ value }}{% endkept %}")
    assert [written(template, value=value) for value in (True, 1)] == ["True", "1"]


def test_what_may_change_while_it_is_kept_is_refused() -> None:
    template = Template(LOAD + "{% kept user=user %}{{ user.username }}{% endkept %}")
    with pytest.raises(TypeError, match="User"):
        written(template, user=User(username="alice"))
    with pytest.raises(TemplateSyntaxError, match="name=value"):
        Template(LOAD + "{% kept user %}{% endkept %}")


def test_strangers_do_not_fill_the_memory() -> None:
    template = Template(LOAD + "{% kept tab=tab %}{{ tab }}{% endkept %}")
    node = template.nodelist.get_nodes_by_type(kept.KeptNode)[0]
    for number in range(kept.MOST + 5):
        assert written(template, tab=str(number)) == str(number)
    assert len(node._kept) <= kept.MOST
    node._kept.clear()
    assert written(template, tab="x" * 10_000) == "x" * 10_000
    assert not node._kept


class Filters(QuickFilterSet):
    """One of each kind that lists have."""

    actor_name = django_filters.CharFilter(label="Who", max_length=20, widget=forms.TextInput({"list": "names"}))
    day = django_filters.DateFilter(method="on_day", label="Day", widget=forms.DateInput({"type": "date"}))
    level = django_filters.ChoiceFilter(choices=[(20, "Info"), (30, "<Warning>")], empty_label="Any", label="Level")

    class Meta:
        model = LogEntry
        fields: list[str] = []

    def on_day(self, queryset: object, name: str, value: object) -> object:
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
    assert (one.asked.day, other.asked.day) == (1, 2)  # type: ignore[attr-defined]
    del one.filters["level"]
    assert "level" in other.form.fields
    assert "level" in Filters(QueryDict(), LogEntry.objects.none()).form.fields


def test_a_filter_that_somebody_has_not_stays_with_those_who_have_it(client: Client, admin: User, alice: User) -> None:
    for person, has_filter in ((admin, True), (alice, False), (admin, True), (alice, False)):
        client.force_login(person)
        for address in ("/activity/", "/logins/"):
            page = pages.elements(client.get(address))
            assert (page.find(".//input[@name='user']") is not None) is has_filter, (person, address)
