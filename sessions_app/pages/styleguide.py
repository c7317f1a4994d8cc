"""Every component of the pages in each of its states, drawn by the same partials, for whoever changes how they look.

Only a trial has it (settings.IS_TRIAL). It shows nothing but made-up things, and the sessions that the person may see.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from activity.listing import Table, badge
from activity.listing.errors import BadListRequest
from activity.listing.listing import Listing
from activity.tables import SHOWN_LEVELS
from activity.viewer import viewer
from sessions_app.outcome import Undo
from sessions_app.pages.jump import Found
from sessions_app.pages.people.tables import state_badge
from sessions_app.privileged.status_badges import BADGES
from sessions_app.privileged.tables import sessions_queryset, sessions_table
from sessions_app.privileged.time_left import TimeLeft

TOKENS = {
    "Grounds": ("ground", "surface", "raised", "chosen"),
    "Words and lines": ("text", "quiet", "line", "edge", "accent"),
    "What happened": ("good", "careful", "bad", "tell", "plain"),
}

FILTERED = {
    "chips": [
        {
            "name": "a",
            "label": "Country",
            "words": "is",
            "value": "Iceland",
            "opposite": "not",
            "opposite_words": "is not",
        },
        {"name": "b", "label": "User", "words": "contains", "value": "alice"},
    ],
    "quick_filters": [("c", "1", "From abroad", False)],
    "all_url": "?",
}


class ExampleForm(forms.Form):
    """A form with each kind of field, sent with mistakes."""

    name = forms.CharField(help_text="How others find it.")
    reason = forms.ChoiceField(choices=[("", "Choose a reason"), ("a", "Maintenance"), ("b", "Incident")])
    starts = forms.DateTimeField(required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
    notes = forms.CharField(required=False, widget=forms.Textarea, initial="Why it is needed")
    agreed = forms.BooleanField(label="I have read it", required=False)


@dataclasses.dataclass(frozen=True, slots=True)
class _Pages:
    """A list in its middle, for the links to its other pages."""

    request: HttpRequest
    is_by_time: bool = True
    day: str = "2026-01-31"
    first_url: str = "?"
    previous_url: str = "?"
    next_url: str = "?"
    last_url: str = "?"
    whole_parameters: tuple[()] = ()

    @property
    def page(self) -> dict[str, bool]:
        return {"previous": True, "next": True}


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Show the components; 404 in production."""
    if not settings.IS_TRIAL:
        raise Http404
    person = viewer(request)
    table = sessions_table(person, with_history=False)
    return render(
        request,
        "sessions_app/pages/styleguide.html",
        {
            "heading": "Style guide",
            "tokens": TOKENS,
            "badges": list(BADGES.values()),
            "other_badges": [
                *SHOWN_LEVELS.values(),
                *(state_badge(state) for state in ("active", "locked", "disabled")),
                badge("success", "Works", "check"),
                badge("plain", "Desktop", "desktop"),
            ],
            "levels": ("info", "success", "warning", "error"),
            "undo": Undo(reverse("home")),
            "form": ExampleForm({"name": "", "reason": "", "starts": "soon", "notes": "Kept as it was typed"}),
            "page_url": reverse("home"),
            "listing": _listing(request, table, person),
            "pages": _Pages(request),
            "filtered": FILTERED,
            "times": [_left(minutes) for minutes in (170, 4, 0)],
            "jump": [
                Found("web-1", "?", "Resource", "server"),
                Found("Request session", "?", "Action", "plus"),
            ],
        },
    )


def _listing(request: HttpRequest, table: Table, person: AbstractUser) -> Listing:
    """Return the example of a list. Raise BadRequest for an address that no list understands."""
    try:
        return Listing(request, table, sessions_queryset(person))
    except BadListRequest as problem:
        raise BadRequest(str(problem)) from problem


def _left(minutes: int) -> dict[str, Any]:
    now = timezone.now()
    left = TimeLeft(
        now - dt.timedelta(hours=3), now + dt.timedelta(minutes=minutes, seconds=30), now, dt.timedelta(hours=1), 1, 2
    )
    return {"time_left": left}
