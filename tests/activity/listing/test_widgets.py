"""Widgets that are written without templates look as Django's own."""

from __future__ import annotations

import re

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates

from activity.widgets import QuickWidgets

HOSTILE = '"><script>alert(1)</script>&amp;'


class Form(forms.Form):
    name = forms.CharField(max_length=20, help_text="Any name")
    number = forms.IntegerField(min_value=1, required=False)
    day = forms.DateField(widget=forms.DateInput(attrs={"type": "date", "disabled": True, "hidden": False}))
    kind = forms.ChoiceField(choices=[("", "Any"), ("Group <1>", [("a", "A & B"), (HOSTILE, HOSTILE)]), (3, "Three")])
    kinds = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B")])
    is_on = forms.NullBooleanField()
    text = forms.CharField(widget=forms.Textarea)
    tick = forms.BooleanField()
    unnamed = forms.CharField(widget=forms.TextInput(attrs={"aria-label": HOSTILE, "list": "names"}))


def html(form: forms.Form) -> list[str]:
    return [re.sub(r">\s+<", "><", str(field)).strip() for field in form]


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {
            "name": HOSTILE,
            "number": HOSTILE,
            "day": "2026-01-31",
            "kind": HOSTILE,
            "kinds": ["a", "b"],
            "is_on": "true",
        },
        {"name": "", "number": "0", "kind": "3", "unnamed": "x", "text": HOSTILE, "tick": "on"},
    ],
)
def test_each_is_what_the_template_says(data: dict[str, object] | None) -> None:
    ours, theirs = (Form(data, renderer=renderer()) for renderer in (QuickWidgets, DjangoTemplates))
    assert html(ours) == html(theirs)
    assert "<script>" not in "".join(html(ours))


def test_a_choice_with_a_template_of_its_own_keeps_it() -> None:
    widget = forms.Select(choices=[("a", "A")])
    widget.option_template_name = "django/forms/widgets/radio_option.html"
    ours, theirs = (widget.render("kind", "a", renderer=renderer()) for renderer in (QuickWidgets, DjangoTemplates))
    assert ours == theirs
    assert 'type="' in ours
